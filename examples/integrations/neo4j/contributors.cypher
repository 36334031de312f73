// Who contributed most to the script behind the best model?
// The best model is that of the run whose last loss is the lowest; NaN is no value.
MATCH (run:Run)-[:HAD_MEMBER]->(metric:Metric {m2p_name: 'loss', m2p_is_latest: true})
WHERE NOT isNaN(metric.m2p_value)
WITH run ORDER BY metric.m2p_value, run.key LIMIT 1
MATCH (run)-[:WAS_GENERATED_BY]->(:Creation)-[:USED {prov_role: 'm2p:EntryPoint'}]->(script:FileRevision)
MATCH (script)-[:WAS_DERIVED_FROM*0..]->(revision:FileRevision)
WITH DISTINCT revision
MATCH (revision)-[:WAS_ATTRIBUTED_TO]->(person:User)
RETURN person.label AS person, count(DISTINCT revision) AS revisions
ORDER BY revisions DESC, person
