-- name: InsertMessages :execrows
-- Queues messages; one that was queued before, under the same "once", is left out,
-- and one about somebody who died.
INSERT INTO message (bucket, person_id, certificate, once, recipient, channel, class, template, language, campaign, sealed, created_at, due_at, expires_at, state_at)
SELECT k.bucket, NULLIF(k.person_id, 0), NULLIF(k.certificate, ''::bytea), k.once, k.recipient, k.channel, k.class, k.template, k.language, NULLIF(@campaign::bigint, 0), k.sealed, @at::timestamptz, k.due_at, k.expires_at, @at::timestamptz
FROM (SELECT unnest(@buckets::smallint[]) AS bucket, unnest(@people::bigint[]) AS person_id, unnest(@certificates::bytea[]) AS certificate, unnest(@onces::bytea[]) AS once, unnest(@recipients::bytea[]) AS recipient, unnest(@channels::text[]) AS channel, unnest(@classes::text[]) AS class, unnest(@templates::text[]) AS template, unnest(@languages::text[]) AS language, unnest(@sealeds::bytea[]) AS sealed, unnest(@dues::timestamptz[]) AS due_at, unnest(@expires::timestamptz[]) AS expires_at) AS k
WHERE NOT EXISTS (SELECT 1 FROM deceased d WHERE d.bucket = k.bucket AND d.person_id = k.person_id)
ON CONFLICT (bucket, once) DO NOTHING;

-- name: ClaimMessages :many
-- Takes the next messages of a class to hand over. Whoever ends without saying
-- what came of them leaves a claim that ran out.
UPDATE message m SET claimed_until = @until::timestamptz, attempts = m.attempts + 1, gateway = @gateway::text
FROM (
  SELECT c.bucket, c.id, p.key FROM message c LEFT JOIN person p ON p.bucket = c.bucket AND p.id = c.person_id
  WHERE c.state = 0 AND c.channel = @channel::text AND c.class = @class::text AND c.due_at <= @now::timestamptz AND c.claimed_until IS NULL
  ORDER BY c.due_at, c.id LIMIT @max_rows::int FOR UPDATE OF c SKIP LOCKED) AS k
WHERE m.bucket = k.bucket AND m.id = k.id
RETURNING m.bucket, m.id, coalesce(m.person_id, 0)::bigint AS person_id, m.certificate, m.once, m.recipient, m.class, m.template, m.language, m.campaign, m.sealed, m.attempts, m.retried, m.due_at, m.expires_at, k.key;

-- name: ExpireMessages :execrows
-- Ends what waited longer than it is of use.
UPDATE message SET state = 3, code = 'expired', state_at = @now::timestamptz, sealed = CASE WHEN class = 'code' THEN NULL ELSE sealed END
WHERE state = 0 AND expires_at <= @now::timestamptz AND claimed_until IS NULL;

-- name: RecordMessage :execrows
-- Says what came of an attempt. A receipt may have been faster: the state goes
-- forward only.
UPDATE message SET state = greatest(state, @state::smallint), code = CASE WHEN @state::smallint >= state THEN @code::text ELSE code END,
  provider_id = coalesce(sqlc.narg(provider_id)::text, provider_id), parts = @parts::smallint, claimed_until = NULL,
  state_at = CASE WHEN @state::smallint > state THEN @at::timestamptz ELSE state_at END,
  sealed = CASE WHEN @drop_sealed::bool THEN NULL ELSE sealed END
WHERE bucket = @bucket AND id = @id AND attempts = @attempts;

-- name: ReleaseMessage :execrows
-- Has a message tried again later. "counts" is false where it was not the
-- message's fault.
UPDATE message SET claimed_until = NULL, due_at = @due_at::timestamptz, code = @code::text, attempts = attempts - CASE WHEN @counts::bool THEN 0 ELSE 1 END
WHERE bucket = @bucket AND id = @id AND attempts = @attempts AND state = 0;

-- name: AbandonedMessages :many
-- What somebody was handing over who ended meanwhile.
SELECT bucket, id, class, gateway, attempts FROM message
WHERE state = 0 AND claimed_until < @now::timestamptz
ORDER BY due_at, id LIMIT @max_rows::int;

-- name: RetryUnknownMessages :execrows
-- Notices of which nobody heard again are sent once more, if they are of use yet.
UPDATE message SET state = 0, retried = true, due_at = @now::timestamptz, state_at = @now::timestamptz, code = 'unknown'
WHERE state = 2 AND NOT retried AND class = 'notice' AND sealed IS NOT NULL AND state_at < @before::timestamptz AND expires_at > @now::timestamptz;

-- name: SilentMessages :execrows
-- What was handed over long ago and never heard of again is not known.
UPDATE message SET state = 2, code = 'no-receipt', state_at = @now::timestamptz, retried = true
WHERE state = 1 AND state_at < @before::timestamptz;

-- name: ForwardMessageByProvider :execrows
UPDATE message SET state = @state::smallint, code = @code::text, state_at = @at::timestamptz, claimed_until = NULL, sealed = CASE WHEN class = 'code' AND NOT @keep::bool THEN NULL ELSE sealed END
WHERE gateway = @gateway AND provider_id = @provider_id::text AND state < @state::smallint;

-- name: ForwardMessageByID :execrows
UPDATE message SET state = @state::smallint, code = @code::text, state_at = @at::timestamptz, claimed_until = NULL, sealed = CASE WHEN class = 'code' AND NOT @keep::bool THEN NULL ELSE sealed END
WHERE gateway = @gateway AND bucket = @bucket AND id = @id AND state < @state::smallint;

-- name: KnownProviderMessage :one
SELECT EXISTS (SELECT 1 FROM message WHERE gateway = @gateway AND provider_id = @provider_id::text);

-- name: InsertReceipts :exec
INSERT INTO message_receipt (gateway, provider_id, state, code, received_at)
SELECT @gateway::text, k.provider_id, k.state, k.code, @at::timestamptz
FROM (SELECT unnest(@provider_ids::text[]) AS provider_id, unnest(@states::smallint[]) AS state, unnest(@codes::text[]) AS code) AS k
ON CONFLICT (gateway, provider_id, state) DO NOTHING;

-- name: PendingReceipts :many
SELECT gateway, provider_id, state, code, received_at FROM message_receipt
WHERE (received_at, gateway, provider_id, state) > (@received_at::timestamptz, @gateway::text, @provider_id::text, @state::smallint)
ORDER BY received_at, gateway, provider_id, state LIMIT @max_rows::int;

-- name: DeleteReceipt :exec
DELETE FROM message_receipt WHERE gateway = $1 AND provider_id = $2 AND state = $3;

-- name: ForgetReceipts :execrows
-- Receipts of messages that nobody knows.
DELETE FROM message_receipt WHERE received_at < @before::timestamptz;

-- name: PutGateway :exec
INSERT INTO gateway (name, channel, sealed, secret, changed_at) VALUES (@name, @channel, @sealed, @secret, @at::timestamptz)
ON CONFLICT (name) DO UPDATE SET channel = excluded.channel, sealed = excluded.sealed, secret = excluded.secret, changed_at = excluded.changed_at, down_until = 'epoch', failures = 0, reason = '';

-- name: Gateways :many
SELECT * FROM gateway ORDER BY name;

-- name: GatewayByName :one
SELECT * FROM gateway WHERE name = $1;

-- name: DeleteGateway :execrows
DELETE FROM gateway WHERE name = $1;

-- name: PauseGateway :execrows
UPDATE gateway SET paused = @paused, down_until = 'epoch', failures = 0 WHERE name = @name;

-- name: LockGateway :one
SELECT paused, next_at, down_until, failures FROM gateway WHERE name = $1 FOR UPDATE;

-- name: MoveGateway :exec
UPDATE gateway SET next_at = @next_at::timestamptz WHERE name = @name;

-- name: GatewayDown :one
-- Leaves a gateway alone until a time, and counts.
UPDATE gateway SET down_until = greatest(down_until, @until::timestamptz), failures = failures + 1, reason = @reason::text WHERE name = @name
RETURNING failures;

-- name: GatewayUp :execrows
UPDATE gateway SET down_until = 'epoch', failures = 0, reason = '' WHERE name = @name AND (failures > 0 OR reason <> '');

-- name: PutSuppression :execrows
INSERT INTO suppression (bucket, person_id, recipient, reason, made_at, made_by) VALUES (@bucket, @person_id, @recipient, @reason, @at::timestamptz, @made_by)
ON CONFLICT (recipient, bucket, person_id) DO NOTHING;

-- name: DeleteSuppression :execrows
DELETE FROM suppression WHERE recipient = $1 AND bucket = $2 AND person_id = $3;

-- name: SuppressionsOf :many
-- Why somebody at a number gets no message: the number's own reasons, theirs at
-- it, theirs anywhere.
SELECT reason FROM suppression
WHERE (recipient = @recipient::bytea AND person_id = 0)
   OR (recipient = @recipient::bytea AND bucket = @bucket::smallint AND person_id = @person_id::bigint)
   OR (recipient = ''::bytea AND bucket = @bucket::smallint AND person_id = @person_id::bigint AND person_id <> 0);

-- name: CountSuppressions :many
SELECT reason, count(*) AS n FROM suppression GROUP BY reason ORDER BY reason;

-- name: ListMessages :many
-- The newest messages, without what is sealed.
SELECT bucket, id, coalesce(person_id, 0)::bigint AS person_id, certificate, channel, class, template, language, campaign, state, code, gateway, attempts, parts, created_at, due_at, expires_at, state_at
FROM message
WHERE id < @before::bigint
  AND (@states::smallint[] = '{}' OR state = ANY (@states::smallint[]))
  AND (@template::text = '' OR template = @template::text)
  AND (@certificate::bytea = ''::bytea OR (bucket = @bucket::smallint AND certificate = @certificate::bytea))
  AND (@campaign::bigint = 0 OR campaign = @campaign::bigint)
ORDER BY id DESC LIMIT @max_rows::int;

-- name: MessageByID :one
SELECT m.bucket, m.id, coalesce(m.person_id, 0)::bigint AS person_id, m.certificate, m.once, m.recipient, m.channel, m.class, m.template, m.language, m.campaign, m.sealed, m.state, m.code, m.gateway, m.attempts, m.parts, m.created_at, m.due_at, m.expires_at, m.state_at, p.key
FROM message m LEFT JOIN person p ON p.bucket = m.bucket AND p.id = m.person_id
WHERE m.id = @id AND (@bucket::smallint < 0 OR m.bucket = @bucket::smallint);

-- name: ResendMessage :execrows
-- Begins a new attempt at what did not arrive.
UPDATE message SET state = 0, code = '', retried = true, provider_id = NULL, due_at = @at::timestamptz, state_at = @at::timestamptz, expires_at = @expires_at::timestamptz
WHERE bucket = @bucket AND id = @id AND state IN (2, 3, 4) AND sealed IS NOT NULL;

-- name: SettleRestoredNotices :execrows
-- After a restore: nobody knows which notices that waited at the backup were sent
-- since, so that somebody decides.
UPDATE message SET state = 2, code = 'restored', retried = true, claimed_until = NULL, state_at = @at::timestamptz
WHERE class = 'notice' AND (state = 0 OR state = 2 AND NOT retried);

-- name: ExpireRestoredCodes :execrows
-- After a restore: nobody waits for a code of then.
UPDATE message SET state = 3, code = 'restored', claimed_until = NULL, state_at = @at::timestamptz, sealed = NULL
WHERE class = 'code' AND state IN (0, 2);

-- name: StopRestoredCampaigns :execrows
-- After a restore: nobody knows how far they went since.
UPDATE campaign SET state = 'stopped' WHERE state = 'running';

-- name: CountMessages :many
SELECT channel, class, state, count(*) AS n FROM message GROUP BY channel, class, state ORDER BY channel, class, state;

-- name: WaitingMessages :many
-- What is due and waits, and since when.
SELECT channel, class, count(*) AS n, min(due_at)::timestamptz AS oldest FROM message WHERE state = 0 AND due_at <= @now::timestamptz GROUP BY channel, class;

-- name: MessagesOfCertificate :many
SELECT id, template, language, channel, state, code, created_at, state_at FROM message WHERE bucket = $1 AND certificate = $2 ORDER BY id;

-- name: InsertCampaign :one
-- A draft whose people are not counted yet.
INSERT INTO campaign (name, template, texts, filter, state, made_by, made_at, counted)
VALUES (@name, @template, @texts, @filter, 'draft', @made_by, @at::timestamptz, false) RETURNING id;

-- name: UncountedCampaigns :many
SELECT id FROM campaign WHERE NOT counted AND state = 'draft' ORDER BY id;

-- name: CountCampaign :exec
-- Adds a page to the count of a draft.
UPDATE campaign SET people = people + @people::bigint, parts = parts + @parts::bigint, languages = @languages::jsonb, counted = @counted::bool, count_bucket = @count_bucket, count_person = @count_person
WHERE id = @id;

-- name: SuppressionsAmong :many
-- Which of these people at these numbers get no message, by the numbers
-- given for them.
SELECT k.n::int AS n
FROM (SELECT unnest(@ns::int[]) AS n, unnest(@recipients::bytea[]) AS recipient, unnest(@buckets::smallint[]) AS bucket, unnest(@people::bigint[]) AS person_id) AS k
WHERE EXISTS (SELECT 1 FROM suppression s WHERE s.recipient = k.recipient AND (s.person_id = 0 OR s.bucket = k.bucket AND s.person_id = k.person_id))
   OR k.person_id <> 0 AND EXISTS (SELECT 1 FROM suppression s WHERE s.recipient = ''::bytea AND s.bucket = k.bucket AND s.person_id = k.person_id);

-- name: Campaigns :many
SELECT * FROM campaign ORDER BY id DESC LIMIT 200;

-- name: CampaignByID :one
SELECT * FROM campaign WHERE id = $1;

-- name: ApproveCampaign :execrows
UPDATE campaign SET state = 'running', approved_by = @approved_by WHERE id = @id AND state = 'draft' AND counted;

-- name: StopCampaign :execrows
UPDATE campaign SET state = 'stopped' WHERE id = @id AND state IN ('draft', 'running');

-- name: StopCampaignMessages :execrows
-- What a stopped campaign queued and nobody has taken yet is not sent.
UPDATE message SET state = 3, code = 'stopped', state_at = @at::timestamptz WHERE campaign = @id::bigint AND state = 0 AND claimed_until IS NULL;

-- name: RunningCampaigns :many
SELECT id FROM campaign WHERE state = 'running' ORDER BY id;

-- name: LockCampaign :one
SELECT * FROM campaign WHERE id = $1 FOR UPDATE;

-- name: MoveCampaign :exec
UPDATE campaign SET state = @state, queued = queued + @queued::bigint, at_bucket = @at_bucket, at_person = @at_person WHERE id = @id;

-- name: CampaignPeople :many
-- People who have a certificate that stands and fits, with the newest such one of
-- each, a page at a time.
SELECT DISTINCT ON (c.bucket, c.person_id) c.bucket, c.person_id, c.id AS certificate, p.key, p.sealed
FROM certificate c JOIN person p ON p.bucket = c.bucket AND p.id = c.person_id
WHERE (c.bucket, c.person_id) > (@bucket::smallint, @person_id::bigint)
  AND c.status < 2
  AND (@programme::text = '' OR c.programme = @programme::text)
  AND (@source::text = '' OR c.source = @source::text)
  AND c.issued_at >= @issued_from::timestamptz AND c.issued_at < @issued_to::timestamptz
ORDER BY c.bucket, c.person_id, c.issued_at DESC, c.id LIMIT @max_rows::int;

-- name: LockSendNumber :one
-- When codes were asked for a number, locked until the transaction ends.
INSERT INTO send_number AS s (key, last) VALUES (@key, @at::timestamptz)
ON CONFLICT (key) DO UPDATE SET last = excluded.last
RETURNING recent;

-- name: PutSendNumber :exec
UPDATE send_number SET recent = @recent::timestamptz[] WHERE key = @key;

-- name: CountSend :one
-- Counts one more and tells how many there are since the window began; one that
-- began before @begin is over.
INSERT INTO send_count AS s (key, since, n) VALUES (@key, @at::timestamptz, 1)
ON CONFLICT (key) DO UPDATE SET
  n = CASE WHEN s.since <= @begin::timestamptz THEN 1 ELSE s.n + 1 END,
  since = CASE WHEN s.since <= @begin::timestamptz THEN excluded.since ELSE s.since END
RETURNING n;

-- name: SendCount :one
SELECT n FROM send_count WHERE key = @key AND since > @begin::timestamptz;

-- name: ForgetSends :exec
WITH numbers AS (DELETE FROM send_number WHERE last < @before::timestamptz)
DELETE FROM send_count WHERE since < @before::timestamptz;
