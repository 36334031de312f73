-- Who contributed most to the script behind the best model?
-- The best model is that of the run whose last loss is the lowest; NaN is no value.
WITH RECURSIVE best AS (
    SELECT r.id
    FROM Run r
    JOIN hadMember h ON h.collection = r.id
    JOIN Metric m ON m.id = h.entity
    WHERE m.name = 'loss' AND m.is_latest AND m.value <> 'NaN'
    ORDER BY m.value, r.id
    LIMIT 1
),
history (revision) AS (
    SELECT u.entity
    FROM best b
    JOIN wasGeneratedBy g ON g.entity = b.id
    JOIN used u ON u.activity = g.activity AND u.role = 'm2p:EntryPoint'
    UNION
    SELECT d.usedEntity
    FROM history h
    JOIN wasDerivedFrom d ON d.generatedEntity = h.revision
    JOIN FileRevision f ON f.id = d.usedEntity
)
SELECT p.label AS person, count(DISTINCT h.revision) AS revisions
FROM history h
JOIN wasAttributedTo a ON a.entity = h.revision
JOIN agent p ON p.id = a.agent
GROUP BY p.id, p.label
ORDER BY revisions DESC, person
