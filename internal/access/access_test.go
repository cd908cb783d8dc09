package access_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/pgserver/pgtest"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/vaccination"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Run(m, registry.Migrate)) }

// TestTheLaw repeats the table of permissions: a change of it is meant.
func TestTheLaw(t *testing.T) {
	acts := []access.Permission{access.Certify, access.Correct, access.Revoke, access.Reissue, access.Read, access.ReadAudit, access.ReadMine, access.ManageSources, access.DecideHolds, access.MergePeople,
		access.SearchPeople, access.Print, access.RegisterDose, access.OpenCase, access.DecideCases, access.WithdrawMany, access.ManageProgrammes, access.ManageMessages,
		access.ManageStaff, access.ManageKeys, access.ManageSettings, access.ReadStatistics, access.ErasePerson}
	law := map[access.Role]string{ // for each act: own records, those of others
		//                     cer cor rev rei rea aud min sou hol mer  sea pri dos ope dec wit pro mes sta key set num era
		access.SystemAdmin:    "yy yy yy yy yy yy nn yy yy yy  yy yy yy yy yy yy yy yy yy yy yy yy yy",
		access.ProgrammeAdmin: "nn yy yy yy yy nn nn yy yy yy  yy yy nn yy yy yy yy yy nn nn nn yy nn",
		access.FacilityAdmin:  "nn nn nn nn nn nn nn nn nn nn  yy yy yn yy nn nn nn nn yn nn nn yn nn",
		access.FacilityStaff:  "nn nn nn nn nn nn nn nn nn nn  yy yy yn yy nn nn nn nn nn nn nn nn nn",
		access.SourceRole:     "yn yn yn nn yn nn nn nn nn nn  nn nn nn nn nn nn nn nn nn nn nn nn nn",
		access.Auditor:        "nn nn nn nn nn yy nn nn nn nn  nn nn nn nn nn nn nn nn nn nn nn yy nn",
		access.Recipient:      "nn nn nn nn nn nn yn nn nn nn  nn nn nn nn nn nn nn nn nn nn nn nn nn",
		access.Citizen:        "nn nn nn nn nn nn yn nn nn nn  nn nn nn yn nn nn nn nn nn nn nn nn nn",
		"":                    "nn nn nn nn nn nn nn nn nn nn  nn nn nn nn nn nn nn nn nn nn nn nn nn",
		"root":                "nn nn nn nn nn nn nn nn nn nn  nn nn nn nn nn nn nn nn nn nn nn nn nn",
	}
	for role, says := range law {
		c := access.Caller{Role: role, Source: "mine"}
		c.Facility = "mine"
		if got := len(strings.Fields(says)); got != len(acts) {
			t.Fatalf("%q: the law has %d of %d acts", role, got, len(acts))
		}
		for i, may := range strings.Fields(says) {
			act := acts[i]
			for j, source := range []string{"mine", "another"} {
				if got := c.Owns(act, source); got != (may[j] == 'y') {
					t.Errorf("%q may %s what %q delivered: %t", role, act, source, got)
				}
				if got := c.At(act, source); got != (may[j] == 'y') {
					t.Errorf("%q may %s at the facility %q: %t", role, act, source, got)
				}
			}
			if got := c.Can(act) == nil; got != strings.Contains(may, "y") {
				t.Errorf("%q can %s: %t", role, act, got)
			}
		}
	}
	if (access.Caller{Role: access.SourceRole}).Owns(access.Read, "") {
		t.Error("a caller without a source owns what no source delivered")
	}
	if (access.Caller{Role: access.FacilityAdmin}).At(access.ManageStaff, "") {
		t.Error("a caller without a facility owns what belongs to none")
	}
	if len(access.Roles()) != 4 {
		t.Error("a new role needs a line in this law")
	}
}

func newTokens(t *testing.T) (*access.Tokens, *time.Time) {
	t.Helper()
	store, err := registry.Open(t.Context(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	return &access.Tokens{Store: store, Now: func() time.Time { return now }, Random: rand.Reader}, &now
}

func TestTheLifeOfAToken(t *testing.T) {
	tokens, now := newTokens(t)
	ctx, by := t.Context(), access.System("test")
	secret, err := tokens.Create(ctx, by, access.NewToken{Role: access.SourceRole, Source: "clinic", For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	c, err := tokens.Authenticate(ctx, secret)
	if err != nil || c.Role != access.SourceRole || c.Source != "clinic" || c.Actor != "token:1 clinic" {
		t.Errorf("caller = %+v, %v", c, err)
	}
	refused := func(why, secret string) {
		t.Helper()
		if c, err := tokens.Authenticate(ctx, secret); vaccination.ErrorCode(err) != vaccination.Unauthorized || c != (access.Caller{}) {
			t.Errorf("%s: %+v, %v", why, c, err)
		}
	}
	for why, secret := range map[string]string{
		"nothing": "", "the prefix alone": "divoc_", "cut short": secret[:len(secret)-1], "too long": secret + strings.Repeat("a", 100),
		"in capitals": strings.ToUpper(secret), "without its prefix": strings.TrimPrefix(secret, "divoc_"), "with a zero byte": secret + "\x00", "not UTF-8": "divoc_\xff",
	} {
		refused(why, secret)
	}
	list, err := tokens.List(ctx)
	if err != nil || len(list) != 1 || list[0].Name != "clinic" || list[0].Source != "clinic" || !list[0].Expires.Equal(now.Add(time.Hour)) || list[0].Revoked != nil {
		t.Errorf("list = %+v, %v", list, err)
	}
	*now = now.Add(time.Hour - time.Second)
	if _, err := tokens.Authenticate(ctx, secret); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
	*now = now.Add(time.Second)
	refused("at its end", secret)

	second, err := tokens.Create(ctx, by, access.NewToken{Role: access.SystemAdmin, For: time.Hour, Name: "duty"})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := tokens.Authenticate(ctx, second); err != nil || c.Source != "admin" || c.Actor != "token:2 duty" {
		t.Errorf("an administrator = %+v, %v", c, err)
	}
	if err := tokens.Revoke(ctx, by, 2); err != nil {
		t.Fatal(err)
	}
	refused("revoked", second)
	for why, id := range map[string]int64{"revoked already": 2, "never made": 99} {
		if err := tokens.Revoke(ctx, by, id); vaccination.ErrorCode(err) != vaccination.NotFound {
			t.Errorf("%s: %v", why, err)
		}
	}
	// Each act is in the audit; no secret is in the database.
	var acts int
	if err := tokens.Store.Pool().QueryRow(ctx, "SELECT count(*) FROM audit WHERE act IN ('token.create', 'token.revoke')").Scan(&acts); err != nil || acts != 3 {
		t.Errorf("%d acts in the audit, %v", acts, err)
	}
	var stored string
	if err := tokens.Store.Pool().QueryRow(ctx, "SELECT string_agg(t::text, ' ') || (SELECT string_agg(a::text, ' ') FROM audit a) FROM token t").Scan(&stored); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(stored, strings.TrimPrefix(secret, "divoc_")) || strings.Contains(stored, strings.TrimPrefix(second, "divoc_")) {
		t.Error("a secret is stored in clear")
	}
}

func TestTokensThatAreNotMade(t *testing.T) {
	tokens, _ := newTokens(t)
	for name, n := range map[string]access.NewToken{
		"no role":                  {For: time.Hour},
		"an unknown role":          {Role: "root", For: time.Hour},
		"a person's role":          {Role: access.Recipient, For: time.Hour},
		"a source without a name":  {Role: access.SourceRole, For: time.Hour},
		"an auditor with a source": {Role: access.Auditor, Source: "clinic", For: time.Hour},
		"without an end":           {Role: access.Auditor},
		"ended already":            {Role: access.Auditor, For: -time.Hour},
		"a source in capitals":     {Role: access.SourceRole, Source: "Clinic", For: time.Hour},
		"a source with a line end": {Role: access.SourceRole, Source: "clinic\n", For: time.Hour},
		"a source that is long":    {Role: access.SourceRole, Source: strings.Repeat("a", 41), For: time.Hour},
		"a name with a separator":  {Role: access.Auditor, Name: "a\x1fb", For: time.Hour},
		"a name of two lines":      {Role: access.Auditor, Name: "a\nb", For: time.Hour},
		"a name that is long":      {Role: access.Auditor, Name: strings.Repeat("a", 101), For: time.Hour},
		"the administrators' door": {Role: access.SourceRole, Source: "admin", For: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			if secret, err := tokens.Create(t.Context(), access.System("test"), n); vaccination.ErrorCode(err) != vaccination.Invalid || secret != "" {
				t.Errorf("made: %v", err)
			}
		})
	}
	tokens.Random = bytes.NewReader(nil)
	if _, err := tokens.Create(t.Context(), access.System("test"), access.NewToken{Role: access.Auditor, For: time.Hour}); err == nil {
		t.Error("made without randomness")
	}
	tokens.Random = rand.Reader
	if list, err := tokens.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
}

func TestWithoutADatabaseNobodyIsRecognised(t *testing.T) {
	tokens, _ := newTokens(t)
	secret, err := tokens.Create(t.Context(), access.System("test"), access.NewToken{Role: access.Auditor, For: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c, err := tokens.Authenticate(ctx, secret)
	var shown *vaccination.Error
	if err == nil || errors.As(err, &shown) || c != (access.Caller{}) {
		t.Errorf("%+v, %v: a client that hears 401 throws its token away", c, err)
	}
}

func TestTheSecondOfTwoPeople(t *testing.T) {
	for name, c := range map[string]struct {
		first, second string
		want          bool
	}{
		"a colleague":                           {"staff:1", "staff:2", true},
		"the same":                              {"staff:1", "staff:1", false},
		"perhaps the same, by a token":          {"staff:1", "token:1 admin", false},
		"perhaps the same, by an identity":      {"staff:1", "idp:0a7c", false},
		"perhaps the same, by token and page":   {"token:1 admin", "staff:1", false},
		"another token, perhaps the same":       {"token:1 a", "token:2 a", false},
		"a token of a colleague":                {"token:1/staff:1 a", "token:2/staff:2 a", true},
		"another token of the same":             {"token:1/staff:1 a", "token:2/staff:1 b", false},
		"a colleague's token, asked on a page":  {"staff:1", "token:2/staff:2 a", true},
		"the same, now by their token":          {"staff:1", "token:2/staff:1 a", false},
		"the same, now on a page":               {"token:2/staff:1 a", "staff:1", false},
		"a token that is called like another's": {"token:1 /staff:1", "token:2 /staff:2", false},
		"a token of nobody's after a member's":  {"token:1/staff:1 a", "token:2 a", false},
		"two of one identity provider":          {"idp:0a7c", "idp:0a7d", true},
		"the same at an identity provider":      {"idp:0a7c", "idp:0a7c", false},
		"two identity providers":                {"idp:0a7c", "moh:0a7c", false},
		"perhaps the same, at the machine":      {"system:cli", "staff:1", false},
		"perhaps the same, now at the machine":  {"staff:1", "system:cli", false},
		"the machine alone":                     {"system:cli", "system:cli", false},
		"two programs of the machine":           {"system:cli", "system:start", false},
		"nobody":                                {"staff:1", "", false},
	} {
		if got := (access.Caller{Actor: c.second}).Second(c.first); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Attack class E, four eyes: at the machine one person would be both of two, each by
// the number of another.
func TestNobodyIsTheSecondAtTheMachine(t *testing.T) {
	by := access.Caller{Actor: "staff:2", AtMachine: true}
	if by.First() != nil || by.Second("staff:1") || by.Second("token:1/staff:1 a") {
		t.Error("who approves in a colleague's name may be who asked in another's")
	}
}

func TestTheFirstOfTwoPeople(t *testing.T) {
	for actor, want := range map[string]vaccination.Code{"staff:1": "", "token:1/staff:2 admin": "", "token:1 admin": vaccination.Forbidden, "token:1 /staff:2": vaccination.Forbidden, "idp:0a7c": "", "system:cli": vaccination.Forbidden, "system:start": vaccination.Forbidden} {
		if got := vaccination.ErrorCode((access.Caller{Actor: actor}).First()); got != want {
			t.Errorf("%s: %q", actor, got)
		}
	}
}
