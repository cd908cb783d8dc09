package jcs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/gowebpki/jcs"
	"pgregory.net/rapid"

	own "github.com/opendivoc/divoc/credential/jcs"
)

func vectors(t *testing.T, name string) string {
	t.Helper()
	root := os.Getenv("DIVOC_VECTORS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no test vectors %s: set DIVOC_VECTORS to their folder", name)
	}
	return dir
}

func TestRFC8785Vectors(t *testing.T) {
	dir := vectors(t, "jcs-rfc8785")
	files, _ := filepath.Glob(filepath.Join(dir, "input", "*.json"))
	if len(files) == 0 {
		t.Fatal("no files")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			in, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join(dir, "output", filepath.Base(file)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := own.Canonical(in)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("got  %s\nwant %s\nerr %v", got, want, err)
			}
		})
	}
}

// The examples of RFC 8785 appendix B.
func TestNumbersOfRFC8785AppendixB(t *testing.T) {
	for bits, want := range map[uint64]string{
		0x0000000000000000: "0",
		0x8000000000000000: "0",
		0x0000000000000001: "5e-324",
		0x8000000000000001: "-5e-324",
		0x7fefffffffffffff: "1.7976931348623157e+308",
		0xffefffffffffffff: "-1.7976931348623157e+308",
		0x4340000000000000: "9007199254740992",
		0xc340000000000000: "-9007199254740992",
		0x4430000000000000: "295147905179352830000",
		0x44b52d02c7e14af5: "9.999999999999997e+22",
		0x44b52d02c7e14af6: "1e+23",
		0x44b52d02c7e14af7: "1.0000000000000001e+23",
		0x444b1ae4d6e2ef4e: "999999999999999700000",
		0x444b1ae4d6e2ef4f: "999999999999999900000",
		0x444b1ae4d6e2ef50: "1e+21",
		0x3eb0c6f7a0b5ed8c: "9.999999999999997e-7",
		0x3eb0c6f7a0b5ed8d: "0.000001",
		0x41b3de4355555553: "333333333.3333332",
		0x41b3de4355555557: "333333333.33333343",
		0xbecbf647612f3696: "-0.0000033333333333333333",
		0x43143ff3c1cb0959: "1424953923781206.2",
	} {
		if got := own.AppendNumber(nil, math.Float64frombits(bits)); string(got) != want {
			t.Errorf("%x is written %s, want %s", bits, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"nothing":                     {"", own.ErrSyntax},
		"two values":                  {"1 2", own.ErrSyntax},
		"a name twice":                {`{"a":1,"b":2,"a":1}`, own.ErrDuplicate},
		"a name twice, once escaped":  {`{"a":1,"\u0061":1}`, own.ErrDuplicate},
		"half a surrogate pair":       {`"\ud800"`, own.ErrSyntax},
		"surrogates in wrong order":   {`"\udc00\ud800"`, own.ErrSyntax},
		"bytes that are not UTF-8":    {"\"\xff\"", own.ErrSyntax},
		"an encoded surrogate":        {"\"\xed\xa0\x80\"", own.ErrSyntax},
		"a raw control character":     {"\"\n\"", own.ErrSyntax},
		"an unknown escape":           {`"\x"`, own.ErrSyntax},
		"a number that overflows":     {"1e999", own.ErrSyntax},
		"a number with leading zero":  {"01", own.ErrSyntax},
		"a number without digits":     {"-", own.ErrSyntax},
		"a trailing comma":            {`[1,]`, own.ErrSyntax},
		"a comment":                   {`/**/1`, own.ErrSyntax},
		"a byte order mark":           {"\ufeff1", own.ErrSyntax},
		"an open string":              {`"a`, own.ErrSyntax},
		"an open object":              {`{"a":1`, own.ErrSyntax},
		"a name that is no string":    {`{1:1}`, own.ErrSyntax},
		"NaN":                         {`NaN`, own.ErrSyntax},
		"arrays nested without end":   {strings.Repeat("[", 1<<20), own.ErrTooLarge},
		"a text longer than MaxSize":  {strings.Repeat(" ", own.MaxSize) + "1", own.ErrTooLarge},
		"one level more than allowed": {strings.Repeat("[", own.MaxDepth+2) + strings.Repeat("]", own.MaxDepth+2), own.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := own.Parse([]byte(c.text)); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}

func TestNamesSortByUTF16(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.String(), 2, 6, rapid.ID).Draw(t, "names")
		v := own.Value{Kind: own.Object}
		for _, n := range names {
			v = v.With(n, own.Value{})
		}
		if !slices.IsSortedFunc(v.Members, func(a, b own.Member) int {
			return slices.Compare(utf16.Encode([]rune(a.Name)), utf16.Encode([]rune(b.Name)))
		}) {
			t.Fatalf("not in order: %q", names)
		}
		for _, n := range names {
			if _, ok := v.Get(n); !ok {
				t.Fatalf("%q is lost", n)
			}
			if _, ok := v.Without(n).Get(n); ok {
				t.Fatalf("%q is not removed", n)
			}
		}
	})
}

// Another implementation is the oracle for what both accept.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{`{"b":[1,2.50,1e30],"a":"\u20ac$\u000F\nA'\u0042\u0022\\\"\/"}`, `[null,true,false,-0]`, `"\ud83d\ude00"`, `{"":{}}`, "{\"\U00010000\":1,\"\uffff\":2}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := own.Canonical(data)
		if err != nil {
			return
		}
		if again, err := own.Canonical(got); err != nil || !bytes.Equal(got, again) {
			t.Fatalf("%q is not canonical: %q %v", got, again, err)
		}
		if !json.Valid(data) {
			t.Fatalf("%q is not JSON", data)
		}
		if c := bytes.TrimSpace(data); len(c) > 0 && (c[0] == '{' || c[0] == '[') {
			want, err := jcs.Transform(data)
			if err == nil && !bytes.Equal(got, want) {
				t.Fatalf("got %q, the oracle %q", got, want)
			}
		}
	})
}
