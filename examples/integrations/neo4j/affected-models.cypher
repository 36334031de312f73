// Which live models contain the commit 6efe0a8?
// Live is what an alias points at, or what is in the stage Staging or Production.
MATCH (commit:Commit) WHERE commit.m2p_sha STARTS WITH '6efe0a8'
MATCH (commit)<-[:WAS_INFORMED_BY*0..]-(later:Commit)
WITH DISTINCT later
MATCH (later)<-[:WAS_INFORMED_BY]-(making:Creation)<-[:WAS_GENERATED_BY]-(:Run)
MATCH (making)<-[:WAS_INFORMED_BY]-(:Creation)<-[:WAS_GENERATED_BY]-(model:RegisteredModelVersion)
WHERE NOT (model)-[:WAS_INVALIDATED_BY]->()
OPTIONAL MATCH (alias:RegisteredModelAlias)-[:WAS_DERIVED_FROM]->(model)
WHERE NOT (alias)-[:WAS_INVALIDATED_BY]->()
WITH model, later, count(alias) AS aliases
WHERE aliases > 0 OR model.m2p_stage IN ['Staging', 'Production']
RETURN DISTINCT model.label AS model, left(later.m2p_sha, 7) AS commit
ORDER BY model, commit
