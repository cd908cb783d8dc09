package hcert

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/opendivoc/divoc/credential/credentialtest"
)

// Who has one name has it as surname: the schema wants one of the two, and the other
// is left out, neither empty nor made up (Implementing Decision (EU) 2021/1073,
// annex IV, "nam").
func TestANameOfOnePart(t *testing.T) {
	for name, want := range map[string]map[any]any{
		"Suharto":       {"fn": "Suharto", "fnt": "SUHARTO"},
		"Ñandú":         {"fn": "Ñandú", "fnt": "NANDU"},
		"Marcia Møller": {"fn": "Marcia Møller", "fnt": "MARCIA<MOELLER"},
	} {
		c := credentialtest.Tested()
		c.Name = name
		cose, err := EncodeEU(c, nil, newSigner(t))
		if err != nil {
			t.Fatal(err)
		}
		m, err := DecodeCOSE(cose)
		if err != nil {
			t.Fatal(err)
		}
		top := m.content.(map[any]any)
		if diff := cmp.Diff(want, top["nam"]); diff != "" || checkDCC(top) != "" {
			t.Errorf("%s: %s %s", name, diff, checkDCC(top))
		}
		if got, err := m.Certificate(); err != nil || got.Name != name {
			t.Errorf("%s is read as %q: %v", name, got.Name, err)
		}
	}
}

// Of others, a name in one part is read whichever part it is in, as written or, where
// that is left out, from the machine readable zone.
func TestNamesOfOthersInOnePart(t *testing.T) {
	for want, nam := range map[string]map[any]any{
		"Charles":       {"gn": "Charles", "gnt": "CHARLES"},
		"Smith-Jones":   {"fn": "Smith-Jones", "fnt": "SMITH<JONES"},
		"CHARLES":       {"gnt": "CHARLES"},
		"SMITH JONES":   {"fnt": "SMITH<JONES"},
		"Charles SMITH": {"gn": "Charles", "gnt": "CHARLES", "fn": "", "fnt": "SMITH"},
		"Ano Nym":       {"gn": "Ano", "gnt": "ANO", "fn": "Nym", "fnt": "NYM"},
	} {
		top := map[any]any{"ver": "1.3.3", "dob": "1964-01-01", "nam": nam, "r": []any{map[any]any{
			"tg": covid, "fr": "2021-06-01", "co": "NL", "is": "Ministry", "df": "2021-06-12", "du": "2021-11-28", "ci": "URN:UVCI:01:NL:1",
		}}}
		c, err := (&Message{Payload: EUDCC, content: top}).Certificate()
		if err != nil || c.Name != want {
			t.Errorf("%v is read as %q, want %q: %v", nam, c.Name, want, err)
		}
	}
	v := credentialtest.NewVectors(t, "eu-dcc-schema", "names")
	for file, want := range map[string]string{"special-case-only-family-name.json": "Smith-Jones", "special-case-only-given-name.json": "Charles"} {
		for _, path := range v.Files(t, file) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			top, err := contentOfJSON(data)
			if err != nil {
				t.Fatal(err)
			}
			c, err := (&Message{Payload: EUDCC, content: top}).Certificate()
			v.Check(t, filepath.Base(path), err == nil && c.Name == want && !c.Recovery.IsZero(), "read as another name")
		}
	}
}
