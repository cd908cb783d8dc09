package staff

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestTheFileOfTheProvider reads files that are wrong: every fault is told with its
// line, and no secret.
func TestTheFileOfTheProvider(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("client.secret", "MARKED\n")
	write("empty.secret", "\n")
	const good = `issuer: https://id.example.org/realms/health
name: {en: Ministry sign-in}
clientID: divoc
clientSecretFile: client.secret
roles: {desk: facility-staff}
`
	p, err := ReadProvider(write("good.yaml", good), ProviderClient())
	if err != nil {
		t.Fatal(err)
	}
	if p.at.Secret != "MARKED" || p.Name("si") != "Ministry sign-in" || strings.Join(p.at.Scopes, " ") != "openid profile" {
		t.Errorf("read as %q, %v", p.Name("si"), p.at.Scopes)
	}
	for name, test := range map[string]struct{ old, new, says string }{
		"nothing":                     {good, "", "yaml:1: the file is empty"},
		"an unknown key":              {"clientID:", "client:", ":3: client: there is no such key here"},
		"no issuer":                   {"issuer: https://id.example.org/realms/health\n", "", ": issuer: say the issuer"},
		"an issuer without https":     {"https://", "http://", ":1: issuer: "},
		"an issuer of a name like us": {"https://id.example.org", "http://localhost.example.org", ":1: issuer: "},
		"an issuer with a password":   {"https://", "https://a:MARKED@", ":1: issuer: "},
		"an issuer with a query":      {"health", "health?a=b", ":1: issuer: "},
		"no client":                   {"clientID: divoc", "clientID: ''", ":3: clientID: "},
		"a secret that is not there":  {"client.secret", "none.secret", ":4: clientSecretFile: "},
		"a secret that is empty":      {"client.secret", "empty.secret", ":4: clientSecretFile: "},
		"scopes without openid":       {"roles:", "scopes: [profile]\nroles:", ":5: scopes: openid"},
		"a claim of nothing":          {"roles:", "rolesClaim: a..b\nroles:", ":5: rolesClaim: "},
		"no roles":                    {"{desk: facility-staff}", "{}", ":5: roles: "},
		"a role that there is not":    {"facility-staff}", "boss}", ":5: roles.desk: the roles of staff are "},
		"a role of systems":           {"facility-staff}", "source}", ":5: roles.desk: the roles of staff are "},
		"two documents":               {"roles:", "---\nroles:", "second document"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadProvider(write("bad.yaml", strings.Replace(good, test.old, test.new, 1)), ProviderClient())
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "MARKED") {
				t.Errorf("%v, want %q", err, test.says)
			}
		})
	}
	for name, path := range map[string]string{"no file": filepath.Join(dir, "none.yaml"), "a large file": write("big.yaml", strings.Repeat("#\n", maxProviderFile))} {
		if _, err := ReadProvider(path, ProviderClient()); err == nil || !strings.Contains(err.Error(), "identity provider") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadProvider(write("local.yaml", strings.Replace(good, "https://id.example.org", "http://localhost:8090", 1)), ProviderClient()); err != nil {
		t.Errorf("a provider on this machine: %v", err)
	}
}

// TestThePageExplainsEveryKeyOfTheProvider compares the file's keys with
// docs/access.md, whose example must be good.
func TestThePageExplainsEveryKeyOfTheProvider(t *testing.T) {
	text, err := os.ReadFile("../../../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for field := range reflect.TypeFor[providerDocument]().Fields() {
		if key := field.Tag.Get("yaml"); !strings.Contains(page, "\n| `"+key+"` |") {
			t.Errorf("%s is not explained", key)
		}
	}
	_, example, _ := strings.Cut(page, "```yaml\n")
	example, _, ok := strings.Cut(example, "```")
	dir := t.TempDir()
	for name, text := range map[string]string{"example.yaml": example, "client.secret": "of the tests only"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil || !ok {
			t.Fatal(err)
		}
	}
	if _, err := ReadProvider(filepath.Join(dir, "example.yaml"), ProviderClient()); err != nil {
		t.Error(err)
	}
	for _, path := range []string{ReturnPath, OutPath, EndedPath} {
		if !strings.Contains(page, "`https://certificates.example.org"+path+"`") {
			t.Errorf("%s is to be registered, and the page does not say so", path)
		}
	}
}
