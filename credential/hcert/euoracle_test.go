package hcert

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/credential/credentialtest"
)

// What follows reads the test data without this package, to tell a file that
// contradicts itself from one that is read wrongly.

// otherSign1 is a COSE_Sign1 as a general CBOR reader has it, under any tags.
func otherSign1(text string) (protected, payload, signature []byte, headers map[any]any, ok bool) {
	raw, err := hex.DecodeString(text)
	var v any
	if err != nil || cbor.Unmarshal(raw, &v) != nil {
		return
	}
	for {
		tag, tagged := v.(cbor.Tag)
		if !tagged {
			break
		}
		v = tag.Content
	}
	parts, _ := v.([]any)
	if len(parts) != 4 {
		return
	}
	protected, okA := parts[0].([]byte)
	payload, okB := parts[2].([]byte)
	signature, okC := parts[3].([]byte)
	if !okA || !okB || !okC || cbor.Unmarshal(protected, &headers) != nil && len(protected) > 0 {
		return
	}
	outer, _ := parts[1].(map[any]any)
	for k, other := range outer {
		if headers == nil {
			headers = map[any]any{}
		}
		if _, there := headers[k]; !there {
			headers[k] = other
		}
	}
	return protected, payload, signature, headers, true
}

// otherClaims are the claims and the content, likewise.
func otherClaims(c euCase) (claims map[any]any, content any) {
	_, payload, _, _, ok := otherSign1(c.COSE)
	if !ok || cbor.Unmarshal(payload, &claims) != nil {
		return nil, nil
	}
	hcert, _ := claims[int64(-260)].(map[any]any)
	return claims, hcert[uint64(1)]
}

func otherVerify(c euCase, want bool) string {
	cert, err := c.certificate()
	if err != nil {
		return "its certificate is not readable"
	}
	protected, payload, signature, headers, ok := otherSign1(c.COSE)
	if !ok {
		return "its message is no COSE_Sign1"
	}
	sum := sha256.Sum256(cert.Raw)
	kid, _ := headers[uint64(4)].([]byte)
	signed, err := cbor.Marshal([]any{"Signature1", protected, []byte{}, payload})
	if err != nil {
		return err.Error()
	}
	digest := sha256.Sum256(signed)
	good, why := false, "its signature is not of its certificate"
	switch key := cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			why = "its key is of " + key.Curve.Params().Name + ", and ES256 is with P-256 (HCERT 1.1.1, section 3.3.1)"
			break
		}
		if len(signature) == 64 {
			good = ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
		}
	case *rsa.PublicKey:
		good = rsa.VerifyPSS(key, crypto.SHA256, digest[:], signature, nil) == nil
	default:
		why = "its key is of a kind that HCERT does not have"
	}
	switch {
	case good && !bytes.Equal(kid, sum[:8]):
		good, why = false, "its key id is not that of its certificate"
	case good:
		why = "its signature and key id are those of its certificate"
	}
	if good == want {
		return "" // another comes to what it expects
	}
	return why
}

func otherDecode(c euCase, want bool) string {
	if c.COSE == "" {
		return otherJSON(c, want)
	}
	raw, err := hex.DecodeString(c.CBOR)
	if err != nil {
		return "its CBOR field is not hexadecimal"
	}
	var field any
	if err := cbor.Unmarshal(raw, &field); err != nil {
		return "its CBOR field is no CBOR"
	}
	if claims, ok := field.(map[any]any); ok {
		if hcert, ok := claims[int64(-260)].(map[any]any); ok {
			field = hcert[uint64(1)]
		}
	}
	_, content := otherClaims(c)
	if same := content != nil && fmt.Sprint(content) == fmt.Sprint(field); same == want {
		return ""
	}
	return "the content that is signed is not that of its CBOR field"
}

func otherExpiry(c euCase, want bool) string {
	claims, _ := otherClaims(c)
	seconds := func(claim uint64) float64 {
		switch n := claims[claim].(type) {
		case uint64:
			return float64(n)
		case float64:
			return n
		}
		return math.NaN()
	}
	clock, err := euClock(c.Clock)
	at := float64(clock.UnixNano()) / 1e9
	const microsecond = 1e-6
	if good := err == nil && seconds(6) <= at+microsecond && at <= seconds(4)+microsecond; good == want {
		return ""
	}
	return fmt.Sprintf("its clock %s stands otherwise to iat %.0f and exp %.0f", c.Clock, seconds(6), seconds(4))
}

func otherUsage(c euCase, want bool) string {
	cert, err := c.certificate()
	if err != nil {
		return "its certificate is not readable"
	}
	_, content := otherClaims(c)
	top, _ := content.(map[any]any)
	number := map[string]string{"t": "1", "v": "2", "r": "3"}
	allowed, any := false, false
	for _, oid := range cert.UnknownExtKeyUsage {
		for _, arc := range []string{"1.3.6.1.4.1.1847.2021.1.", "1.3.6.1.4.1.0.1847.2021.1."} {
			kind, ok := strings.CutPrefix(oid.String(), arc)
			any = any || ok && kind >= "1" && kind <= "3"
			for group, n := range number {
				allowed = allowed || ok && kind == n && top[group] != nil
			}
		}
	}
	if good := top != nil && (allowed || !any); good == want {
		return ""
	}
	return "its certificate says otherwise of what it may sign"
}

// otherSchema asks the published schema, where it is among the sets. Before 1.3 there
// were others: a file of then is at fault only for what all of them have.
func otherSchema(c euCase, want bool) string {
	top, err := c.content()
	if err != nil {
		return "" // ours to read
	}
	schema, ok := publishedSchema()
	if !ok {
		return ""
	}
	bad := schema.check(jsonForm(top))
	wrong := strings.Split(bad, "; ")
	if ver, _ := top["ver"].(string); ver < strictSince {
		wrong = slices.DeleteFunc(wrong, func(b string) bool {
			return strings.HasSuffix(b, "Items") || strings.HasSuffix(b, ": type") || strings.HasPrefix(b, ".dob") || strings.HasSuffix(b, ": format") || strings.HasSuffix(b, "t: pattern")
		})
	}
	switch {
	case want && bad != "" && len(wrong) > 0:
		return "its content is not of the published schema: " + strings.Join(wrong, "; ")
	case !want && bad == "":
		return "its content is of the published schema"
	}
	return ""
}

func otherJSON(c euCase, want bool) string {
	var wanted any
	if json.Unmarshal([]byte(c.JSON), &wanted) != nil {
		return "its JSON is not readable"
	}
	_, content := otherClaims(c)
	if content == nil {
		raw, _ := hex.DecodeString(c.CBOR)
		_ = cbor.Unmarshal(raw, &content)
		if claims, ok := content.(map[any]any); ok {
			if hcert, ok := claims[int64(-260)].(map[any]any); ok {
				content = hcert[uint64(1)]
			}
		}
	}
	a, _ := json.Marshal(otherForm(content))
	b, _ := json.Marshal(otherForm(wanted))
	if bytes.Equal(a, b) == want {
		return ""
	}
	return "its JSON is not what its CBOR says"
}

func otherEncode(c euCase, want bool) string {
	c.COSE = ""
	return otherJSON(c, want)
}

// otherForm is a value as JSON has it, times by their moment.
func otherForm(v any) any {
	switch v := v.(type) {
	case map[any]any:
		out := map[string]any{}
		for k, e := range v {
			out[fmt.Sprint(k)] = otherForm(e)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = otherForm(e)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, otherForm(e))
		}
		return out
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case string:
		if at, ok := sampleTime(v); ok && len(v) > 10 {
			return at.UTC().Format(time.RFC3339)
		}
	}
	return v
}

// jsonForm turns a content of this package into what JSON reads as.
func jsonForm(v any) any {
	switch v := v.(type) {
	case map[any]any:
		out := map[string]any{}
		for k, e := range v {
			out[fmt.Sprint(k)] = jsonForm(e)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, jsonForm(e))
		}
		return out
	case int64:
		return float64(v)
	}
	return v
}

// schema is a JSON Schema (2020-12), as far as that of EU DCC uses it.
type schema struct{ root map[string]any }

func publishedSchema() (schema, bool) {
	root := os.Getenv("DIVOC_VECTORS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	for _, set := range []string{"eu-dcc-schema", "ehn-dcc-schema"} {
		data, err := os.ReadFile(filepath.Join(root, set, "DCC.combined-schema.json"))
		if err != nil {
			continue
		}
		var s schema
		return s, json.Unmarshal(data, &s.root) == nil
	}
	return schema{}, false
}

// check returns what a value does not keep to, "" for nothing.
func (s schema) check(v any) string { return s.node(s.root, "", v) }

func (s schema) node(n map[string]any, path string, v any) string {
	if ref, ok := n["$ref"].(string); ok {
		defs, _ := s.root["$defs"].(map[string]any)
		target, ok := defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		if !ok {
			return path + ": a reference that is not read"
		}
		if bad := s.node(target, path, v); bad != "" {
			return bad
		}
	}
	for _, k := range []string{"oneOf", "anyOf"} {
		all, there := n[k].([]any)
		fits := 0
		for _, one := range all {
			if one, ok := one.(map[string]any); ok && s.node(one, path, v) == "" {
				fits++
			}
		}
		if there && (fits == 0 || k == "oneOf" && fits > 1) {
			return path + ": " + k
		}
	}
	object, isObject := v.(map[string]any)
	list, isList := v.([]any)
	text, isText := v.(string)
	number, isNumber := v.(float64)
	if kind, ok := n["type"].(string); ok {
		is := map[string]bool{"object": isObject, "array": isList, "string": isText, "integer": isNumber && number == math.Trunc(number), "number": isNumber}[kind]
		if !is {
			return path + ": type"
		}
	}
	limit := func(k string, holds func(limit float64) bool) string {
		if l, ok := n[k].(float64); ok && !holds(l) {
			return path + ": " + k
		}
		return ""
	}
	var bad []string
	if isText {
		bad = append(bad, limit("maxLength", func(l float64) bool { return float64(utf8.RuneCountInString(text)) <= l }))
		if pattern, ok := n["pattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(text) {
			bad = append(bad, path+": pattern")
		}
		switch n["format"] {
		case "date":
			if _, err := time.Parse(time.DateOnly, text); err != nil {
				bad = append(bad, path+": format")
			}
		case "date-time":
			if _, ok := sampleTime(text); !ok {
				bad = append(bad, path+": format")
			}
		}
	}
	if isNumber {
		bad = append(bad, limit("minimum", func(l float64) bool { return number >= l }))
	}
	if isList {
		bad = append(bad, limit("minItems", func(l float64) bool { return float64(len(list)) >= l }), limit("maxItems", func(l float64) bool { return float64(len(list)) <= l }))
		if items, ok := n["items"].(map[string]any); ok {
			for i, e := range list {
				bad = append(bad, s.node(items, fmt.Sprintf("%s[%d]", path, i), e))
			}
		}
	}
	if isObject {
		required, _ := n["required"].([]any)
		for _, name := range required {
			if _, there := object[name.(string)]; !there {
				bad = append(bad, fmt.Sprintf("%s.%s is missing", path, name))
			}
		}
		properties, _ := n["properties"].(map[string]any)
		for name, of := range properties {
			if value, there := object[name]; there {
				bad = append(bad, s.node(of.(map[string]any), path+"."+name, value))
			}
		}
	}
	bad = slices.DeleteFunc(bad, func(b string) bool { return b == "" })
	slices.Sort(bad)
	return strings.Join(bad, "; ")
}

// contentOfJSON turns a payload in JSON into what decoding CBOR gives.
func contentOfJSON(data []byte) (map[any]any, error) {
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, err
	}
	top, ok := ofJSON(v).(map[any]any)
	if !ok {
		return nil, ErrMalformed
	}
	return top, nil
}

func ofJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[any]any{}
		for k, e := range v {
			out[k] = ofJSON(e)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, ofJSON(e))
		}
		return out
	case float64:
		if v == math.Trunc(v) {
			return int64(v)
		}
	}
	return v
}

// TestVectorsEUSchema runs the schema's own examples, good and bad.
func TestVectorsEUSchema(t *testing.T) {
	v := credentialtest.NewVectors(t, "eu-dcc-schema", "")
	for _, file := range v.Files(t, ".json") {
		name := v.Name(file)
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(name, "schema.json") || strings.Contains(strings.ToLower(name), "valuesets/") {
			continue
		}
		if base := filepath.Base(name); base == "package.json" || base == "package-lock.json" || strings.HasPrefix(base, ".") {
			v.Skip(t, name, "not a payload")
			continue
		}
		bad := ""
		top, err := contentOfJSON(raw)
		if err != nil {
			bad = err.Error()
		} else {
			bad = checkDCC(top)
		}
		want := !strings.Contains(name, "invalid")
		v.Check(t, name, (bad == "") == want, "schema: "+bad)
		if bad != "" {
			continue
		}
		m := &Message{Payload: EUDCC, content: top}
		if _, err := m.Certificate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSchemaIsThePublishedOne compares our check of 1.3 with the published schema over
// payloads with anything wrong in them.
func TestSchemaIsThePublishedOne(t *testing.T) {
	published, ok := publishedSchema()
	if !ok {
		t.Skip("the schema is not here: set DIVOC_VECTORS to the folder that has it")
	}
	const base = `{"ver":"1.3.0","nam":{"fn":"A","fnt":"A","gn":"B","gnt":"B"},"dob":"1999-01-02",
		"v":[{"tg":"840539006","vp":"J07BX03","mp":"EU/1/20/1528","ma":"ORG-1","dn":1,"sd":2,"dt":"2021-02-16","co":"BG","is":"I","ci":"C"}],
		"t":[{"tg":"840539006","tt":"LP6464-4","nm":"N","ma":"1","sc":"2021-02-16T10:00:00Z","tr":"260415000","tc":"T","co":"BG","is":"I","ci":"C"}],
		"r":[{"tg":"840539006","fr":"2021-02-16","co":"BG","is":"I","df":"2021-02-16","du":"2021-02-16","ci":"C"}]}`
	odd := []any{
		nil, "", "x", strings.Repeat("é", 80), strings.Repeat("é", 81), "1.2.3", "1999", "1999-01", "1999-1-2", "1899-01-01", "2021-02-30", "2021-02-16T10:00:00+02:00",
		"A<B", "a<b", "XX", "12", 0.0, 1.0, -1.0, 1.5, true, []any{}, []any{"x"}, map[string]any{},
	}
	rapid.Check(t, func(t *rapid.T) {
		var top map[string]any
		if err := json.Unmarshal([]byte(base), &top); err != nil {
			t.Fatal(err)
		}
		group := rapid.SampledFrom([]string{"v", "t", "r"}).Draw(t, "group")
		for _, other := range []string{"v", "t", "r"} {
			if other != group && rapid.IntRange(0, 9).Draw(t, "keep "+other) > 0 {
				delete(top, other)
			}
		}
		entry := top[group].([]any)[0].(map[string]any)
		places := []map[string]any{top, top["nam"].(map[string]any), entry}
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			place := rapid.SampledFrom(places).Draw(t, "place")
			names := slices.Sorted(maps.Keys(place))
			if len(names) == 0 {
				continue
			}
			name := rapid.SampledFrom(names).Draw(t, "name")
			if name == "ver" && rapid.Bool().Draw(t, "leave ver") {
				continue
			}
			if rapid.Bool().Draw(t, "drop") {
				delete(place, name)
			} else {
				place[name] = rapid.SampledFrom(odd).Draw(t, "odd")
			}
		}
		if rapid.IntRange(0, 9).Draw(t, "two") == 0 {
			if list, ok := top[group].([]any); ok {
				top[group] = append(list, list...)
			}
		}
		want := published.check(top)
		content, _ := ofJSON(top).(map[any]any)
		got := (&dccCheck{strict: true}).top(content)
		if (got == "") != (want == "") {
			t.Fatalf("ours %q, the published schema %q, of %v", got, want, top)
		}
	})
}

// EUFault returns why a file of the EU's test data contradicts itself, "" where it does
// not, for tests outside this package.
func EUFault(data []byte) string {
	c, no := euRead(data)
	if no != "" {
		return no
	}
	for _, s := range euSteps {
		want, asked := c.expected[s.flag]
		if !asked || s.contradicts == nil || c.lacks(s.needs) != "" {
			continue
		}
		if got, _ := s.step(c); got != want {
			if fault := s.contradicts(c, want); fault != "" {
				return fault
			}
		}
	}
	return ""
}
