-- name: ForgetCitizenChallenges :exec
DELETE FROM citizen_challenge c USING (
  SELECT o.id FROM citizen_challenge o WHERE o.expires_at < @before::timestamptz ORDER BY o.expires_at LIMIT 100 FOR UPDATE SKIP LOCKED) AS k
WHERE c.id = k.id;

-- name: ForgetCitizenSessions :exec
DELETE FROM citizen_session s USING (
  SELECT o.id FROM citizen_session o WHERE o.ends_at < @before::timestamptz ORDER BY o.ends_at LIMIT 100 FOR UPDATE SKIP LOCKED) AS k
WHERE s.id = k.id;

-- name: EndCitizenChallenges :exec
-- A new code ends the ones before it: of the number, and of the browser.
DELETE FROM citizen_challenge WHERE number = @number OR id = @browser::bytea;

-- name: InsertCitizenChallenge :exec
INSERT INTO citizen_challenge (id, number, email, code, sealed, expires_at) VALUES ($1, $2, $3, $4, $5, $6);

-- name: CitizenChallenge :one
SELECT sealed, tries, expires_at FROM citizen_challenge WHERE id = @id AND tries < @max_tries::smallint AND expires_at > @at::timestamptz;

-- name: TryCitizenChallenge :one
-- Takes one of the tries of a code, and locks it until the transaction ends.
UPDATE citizen_challenge SET tries = tries + 1
WHERE id = @id AND tries < @max_tries::smallint AND expires_at > @at::timestamptz
RETURNING number, email, code, tries;

-- name: DeleteCitizenChallenge :execrows
DELETE FROM citizen_challenge WHERE id = $1;

-- name: InsertCitizenSession :one
INSERT INTO citizen_session (id, number, email, identities, provider, provider_session, provider_subject, seen_at, ends_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING seq;

-- name: CitizenSession :one
-- A session that somebody used not long ago.
SELECT seq, number, email, identities, provider, seen_at, ends_at FROM citizen_session
WHERE id = @id AND ends_at > @at::timestamptz AND seen_at > @idle::timestamptz;

-- name: SeeCitizenSession :exec
UPDATE citizen_session SET seen_at = @at::timestamptz WHERE id = @id AND seen_at < @at::timestamptz;

-- name: DeleteCitizenSession :one
DELETE FROM citizen_session WHERE id = $1 RETURNING seq;

-- name: OpenedByCitizen :many
SELECT bucket, person_id FROM citizen_opened WHERE session = $1 ORDER BY bucket, person_id;

-- name: HasCitizenOpened :one
-- Whether a session that still counts opened a person's record, and reaches it
-- still: they live, and the number it proved is theirs or their guardian's, or the
-- identity document's theirs.
SELECT EXISTS (SELECT 1 FROM citizen_opened o JOIN citizen_session s ON s.id = o.session
  WHERE s.seq = @seq AND s.ends_at > @at::timestamptz AND s.seen_at > @idle::timestamptz AND o.bucket = @bucket AND o.person_id = @person_id
  AND NOT EXISTS (SELECT 1 FROM deceased d WHERE d.bucket = o.bucket AND d.person_id = o.person_id)
  AND (s.number IS NULL AND cardinality(s.identities) = 0
    OR EXISTS (SELECT 1 FROM person_index i WHERE (i.value = s.number OR i.value = ANY (s.identities)) AND i.bucket = o.bucket AND i.person_id = o.person_id)
    OR s.email IS NULL AND EXISTS (
      SELECT 1 FROM guardian g WHERE g.mobile = s.number AND g.bucket = o.bucket AND g.person_id = o.person_id AND g.ended_at IS NULL AND g.until > @at::timestamptz)));

-- name: InsertCitizenOpened :exec
INSERT INTO citizen_opened (bucket, person_id, session) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- name: LockCitizenPerson :one
-- How often somebody failed to open a person's record, locked until the
-- transaction ends.
INSERT INTO citizen_person AS p (bucket, person_id) VALUES (@bucket, @person_id)
ON CONFLICT (bucket, person_id) DO UPDATE SET bucket = p.bucket
RETURNING tries, tried_at;

-- name: CountCitizenTries :exec
UPDATE citizen_person SET tries = @tries, tried_at = @at::timestamptz WHERE bucket = @bucket AND person_id = @person_id;

-- name: InsertOnDemandTicket :exec
INSERT INTO on_demand_ticket (id, year, state, sealed, made_at, changed_at) VALUES (@id, @year, 'waiting', @sealed, @at::timestamptz, @at::timestamptz);

-- name: WaitingOnDemandTickets :many
SELECT id, sealed, made_at FROM on_demand_ticket WHERE state = 'waiting' ORDER BY made_at LIMIT @max_rows::int;

-- name: SetOnDemandTicket :exec
UPDATE on_demand_ticket SET state = @state, changed_at = @at::timestamptz WHERE id = @id AND state = 'waiting';

-- name: TryOnDemandTicket :one
-- Takes one of the tries of a ticket.
UPDATE on_demand_ticket SET tries = tries + 1 WHERE id = @id AND tries < @max_tries::smallint
RETURNING year, state, made_at, changed_at;

-- name: ClearOnDemandTicket :exec
UPDATE on_demand_ticket SET tries = 0 WHERE id = $1;

-- name: ForgetOnDemandTickets :exec
DELETE FROM on_demand_ticket t USING (
  SELECT o.id FROM on_demand_ticket o WHERE o.made_at < @before::timestamptz ORDER BY o.made_at LIMIT 100) AS k
WHERE t.id = k.id;
