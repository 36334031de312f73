// Which exact file version and which data made models:/wine-candidate@champion?
MATCH (alias:RegisteredModelAlias {m2p_name: 'champion'})-[:WAS_DERIVED_FROM]->
      (model:RegisteredModelVersion {m2p_name: 'wine-candidate'})
WHERE NOT (alias)-[:WAS_INVALIDATED_BY]->()
MATCH (making:Creation)<-[:WAS_GENERATED_BY]-(:Run)
WHERE (model)-[:WAS_GENERATED_BY]->()-[:WAS_INFORMED_BY]->(making)
   OR (model)-[:WAS_DERIVED_FROM]->()-[:WAS_GENERATED_BY]->(making)
OPTIONAL MATCH (making)-[:WAS_INFORMED_BY]->(commit:Commit)
OPTIONAL MATCH (making)-[:USED {prov_role: 'm2p:EntryPoint'}]->(file:FileRevision)
OPTIONAL MATCH (making)-[use:USED]->(data:Dataset)
RETURN DISTINCT file.m2p_path AS path, left(file.m2p_commit, 7) AS changed_in,
       left(commit.m2p_sha, 7) AS commit, data.m2p_name AS dataset, replace(use.prov_role, 'm2p:', '') AS role
ORDER BY path, dataset, role
