-- name: InsertStaff :one
INSERT INTO staff (login, origin, role, facility, state, sealed, handle, created_at, changed_at)
VALUES (@login, @origin, @role, @facility, @state, @sealed, @handle, @at, @at) RETURNING id;

-- name: SealStaff :exec
UPDATE staff SET sealed = @sealed WHERE id = @id;

-- name: Staff :one
SELECT id, login, origin, role, facility, state, sealed, handle, password, totp, totp_step, created_at, changed_at FROM staff WHERE id = @id;

-- name: LockStaff :one
SELECT id, login, origin, role, facility, state, sealed, handle, password, totp, totp_step, created_at, changed_at FROM staff WHERE id = @id FOR UPDATE;

-- name: StaffByLogin :one
SELECT id, login, origin, role, facility, state, sealed, handle, password, totp, totp_step, created_at, changed_at FROM staff WHERE login = @login;

-- name: StaffByHandle :one
SELECT id, login, origin, role, facility, state, sealed, handle, password, totp, totp_step, created_at, changed_at FROM staff WHERE handle = @handle;

-- name: ListStaff :many
-- Of one facility, or of all where it is empty.
SELECT s.id, s.login, s.origin, s.role, s.facility, s.state, s.sealed, s.handle, s.password, s.totp, s.totp_step, s.created_at, s.changed_at,
  (SELECT count(*) FROM staff_passkey k WHERE k.staff = s.id)::bigint AS passkeys,
  coalesce((SELECT max(x.seen_at) FROM staff_session x WHERE x.staff = s.id), 'epoch')::timestamptz AS seen
FROM staff s WHERE @facility::text = '' OR s.facility = @facility ORDER BY s.id;

-- name: SetStaffRole :exec
UPDATE staff SET role = @role, facility = @facility, changed_at = @at WHERE id = @id;

-- name: SetStaffState :exec
UPDATE staff SET state = @state, changed_at = @at WHERE id = @id;

-- name: SetStaffPassword :exec
UPDATE staff SET password = @password, changed_at = @at WHERE id = @id;

-- name: SetStaffTOTP :exec
UPDATE staff SET totp = @totp, totp_step = @totp_step, changed_at = @at WHERE id = @id;

-- name: UseStaffTOTP :execrows
-- A step counts once.
UPDATE staff SET totp_step = @totp_step WHERE id = @id AND totp_step < @totp_step;

-- name: InsertStaffPasskey :exec
INSERT INTO staff_passkey (id, staff, name, sealed, created_at) VALUES (@id, @staff, @name, @sealed, @at);

-- name: StaffPasskeys :many
SELECT id, name, sealed, created_at, used_at FROM staff_passkey WHERE staff = @staff ORDER BY created_at, id;

-- name: UseStaffPasskey :execrows
UPDATE staff_passkey SET sealed = @sealed, used_at = @at WHERE id = @id AND staff = @staff;

-- name: DeleteStaffPasskey :execrows
DELETE FROM staff_passkey WHERE staff = @staff AND id = @id;

-- name: DeleteStaffPasskeys :execrows
DELETE FROM staff_passkey WHERE staff = @staff;

-- name: InsertStaffRecovery :exec
INSERT INTO staff_recovery (staff, code) SELECT @staff::bigint, unnest(@codes::bytea[]);

-- name: UseStaffRecovery :execrows
DELETE FROM staff_recovery WHERE staff = @staff AND code = @code;

-- name: DeleteStaffRecovery :exec
DELETE FROM staff_recovery WHERE staff = @staff;

-- name: CountStaffRecovery :one
SELECT count(*) FROM staff_recovery WHERE staff = @staff;

-- name: InsertStaffSession :exec
INSERT INTO staff_session (id, staff, started_at, seen_at, fresh_at, ends_at, browser, provider, sealed)
VALUES (@id, @staff, @at, @at, @at, @ends_at, @browser, sqlc.narg(provider), sqlc.narg(sealed));

-- name: StaffSession :one
SELECT x.id, x.number, x.started_at, x.seen_at, x.fresh_at, x.ends_at, x.browser, x.sealed AS session_sealed,
  s.id AS staff, s.origin, s.role, s.facility, s.state, s.sealed
FROM staff_session x JOIN staff s ON s.id = x.staff WHERE x.id = @id;

-- name: SeeStaffSession :exec
UPDATE staff_session SET seen_at = @at WHERE id = @id AND seen_at < @at;

-- name: RenewStaffSession :execrows
-- The person proved again who they are: the session goes on under a new id.
UPDATE staff_session SET id = @new_id, fresh_at = @at, seen_at = @at WHERE id = @id;

-- name: StaffSessions :many
SELECT id, number, started_at, seen_at, ends_at, browser FROM staff_session
WHERE staff = @staff AND ends_at > @at AND seen_at > @idle ORDER BY seen_at DESC;

-- name: EndStaffSession :one
DELETE FROM staff_session WHERE id = @id RETURNING staff, sealed;

-- name: EndStaffSessionNumber :execrows
DELETE FROM staff_session WHERE staff = @staff AND number = @number;

-- name: EndStaffSessions :execrows
-- All of a member but one, or all where none is given.
DELETE FROM staff_session WHERE staff = @staff AND (sqlc.narg(keep)::bytea IS NULL OR id <> sqlc.narg(keep));

-- name: EndStaffSessionsOf :many
-- Those that a session of an identity provider began.
DELETE FROM staff_session WHERE provider = @provider RETURNING staff;

-- name: ForgetStaff :exec
-- What is over: sessions, steps, tries.
WITH a AS (DELETE FROM staff_session WHERE ends_at < @at), b AS (DELETE FROM staff_step WHERE expires_at < @at)
DELETE FROM staff_try WHERE last_at < @tries;

-- name: InsertStaffStep :exec
INSERT INTO staff_step (id, kind, staff, sealed, expires_at) VALUES (@id, @kind, sqlc.narg(staff), @sealed, @expires_at);

-- name: StaffStep :one
SELECT kind, staff, sealed, expires_at FROM staff_step WHERE id = @id AND kind = @kind AND expires_at > @at;

-- name: TakeStaffStep :one
-- It counts once.
DELETE FROM staff_step WHERE id = @id AND kind = @kind AND expires_at > @at RETURNING kind, staff, sealed, expires_at;

-- name: DeleteStaffSteps :exec
DELETE FROM staff_step WHERE staff = @staff;

-- name: LockStaffTry :one
INSERT INTO staff_try (name) VALUES (@name) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING tries, last_at;

-- name: CountStaffTry :exec
UPDATE staff_try SET tries = CASE WHEN last_at < @since::timestamptz THEN 1 ELSE tries + 1 END, last_at = @at WHERE name = @name;

-- name: UncountStaffTry :exec
-- A try that was none that failed: as it was before, unless another came meanwhile.
UPDATE staff_try SET tries = greatest(tries - 1, 0), last_at = CASE WHEN last_at = @mine THEN @before ELSE last_at END WHERE name = @name;

-- name: ForgetStaffTry :execrows
DELETE FROM staff_try WHERE name = @name;

-- name: StaffTry :one
SELECT tries, last_at FROM staff_try WHERE name = @name;

-- name: RevokeTokensBy :many
UPDATE token SET revoked_at = @at WHERE created_by = @created_by AND revoked_at IS NULL RETURNING id;
