-- Which live models contain the commit 6efe0a8?
-- Live is what an alias points at, or what is in the stage Staging or Production.
WITH RECURSIVE later (id) AS (
    SELECT id FROM Commit WHERE sha LIKE '6efe0a8%'
    UNION
    SELECT i.informed
    FROM later l
    JOIN wasInformedBy i ON i.informant = l.id
    JOIN Commit c ON c.id = i.informed
)
SELECT DISTINCT v.label AS model, left(c.sha, 7) AS commit
FROM later l
JOIN Commit c ON c.id = l.id
JOIN wasInformedBy executed ON executed.informant = c.id
JOIN wasGeneratedBy made ON made.activity = executed.informed
JOIN Run r ON r.id = made.entity
JOIN wasInformedBy registered ON registered.informant = executed.informed
JOIN wasGeneratedBy g ON g.activity = registered.informed
JOIN RegisteredModelVersion v ON v.id = g.entity
WHERE v.id NOT IN (SELECT entity FROM wasInvalidatedBy)
  AND (
    v.stage IN ('Staging', 'Production')
    OR EXISTS (
        SELECT 1
        FROM RegisteredModelAlias a
        JOIN wasDerivedFrom d ON d.generatedEntity = a.id
        WHERE d.usedEntity = v.id AND a.id NOT IN (SELECT entity FROM wasInvalidatedBy)
    )
  )
ORDER BY model, commit
