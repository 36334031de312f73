-- Which exact file version and which data made models:/wine-candidate@champion?
WITH champion AS (
    SELECT v.id
    FROM RegisteredModelAlias a
    JOIN wasDerivedFrom d ON d.generatedEntity = a.id
    JOIN RegisteredModelVersion v ON v.id = d.usedEntity
    WHERE a.name = 'champion' AND v.name = 'wine-candidate'
      AND a.id NOT IN (SELECT entity FROM wasInvalidatedBy)
),
made (activity) AS (
    SELECT i.informant
    FROM champion v
    JOIN wasGeneratedBy g ON g.entity = v.id
    JOIN wasInformedBy i ON i.informed = g.activity
    UNION
    SELECT g.activity
    FROM champion v
    JOIN wasDerivedFrom d ON d.generatedEntity = v.id
    JOIN wasGeneratedBy g ON g.entity = d.usedEntity
),
execution (activity) AS (
    SELECT m.activity
    FROM made m
    WHERE EXISTS (SELECT 1 FROM wasGeneratedBy g JOIN Run r ON r.id = g.entity WHERE g.activity = m.activity)
)
SELECT DISTINCT
    f.path, left(f.commit, 7) AS changed_in, left(c.sha, 7) AS commit, d.name AS dataset,
    replace(d.role, 'm2p:', '') AS role
FROM execution x
LEFT JOIN (
    SELECT u.activity, r.path, r.commit
    FROM used u
    JOIN FileRevision r ON r.id = u.entity
    WHERE u.role = 'm2p:EntryPoint'
) f ON f.activity = x.activity
LEFT JOIN (
    SELECT i.informed AS activity, k.sha FROM wasInformedBy i JOIN Commit k ON k.id = i.informant
) c ON c.activity = x.activity
LEFT JOIN (
    SELECT u.activity, u.role, s.name FROM used u JOIN Dataset s ON s.id = u.entity
) d ON d.activity = x.activity
ORDER BY path, dataset, role
