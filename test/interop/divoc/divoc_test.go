// Package divoc_test lets DIVOC's published signer make certificates and reads
// them with ours. The signer comes from npm (package.json) and runs as a
// process of its own.
package divoc_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"image"
	"image/color"
	"math/big"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"github.com/opendivoc/divoc/credential/divocqr"
)

// job and answer are what signer.js reads and writes.
type job struct {
	KeyType          string           `json:"keyType"`
	DID              string           `json:"did,omitempty"`
	PublicKeyPEM     string           `json:"publicKeyPem,omitempty"`
	PrivateKeyPEM    string           `json:"privateKeyPem,omitempty"`
	PublicKeyBase58  string           `json:"publicKeyBase58,omitempty"`
	PrivateKeyBase58 string           `json:"privateKeyBase58,omitempty"`
	Sign             []map[string]any `json:"sign,omitempty"`
	Verify           []map[string]any `json:"verify,omitempty"`
	Open             []string         `json:"open,omitempty"`
	Rounds           int              `json:"rounds,omitempty"`
}

type answer struct {
	Signed   []json.RawMessage
	Verified []bool
	Opened   []json.RawMessage
	Codes    []struct {
		Size          int
		Modules, Text string
	}
	SignPerSecond, VerifyPerSecond float64
}

// run gives a job to DIVOC's signer, which npm installs on the first call.
func run(t testing.TB, j job) answer {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: DIVOC's signer cannot run", tool)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if _, err := os.Stat("node_modules"); err != nil {
		if out, err := exec.CommandContext(ctx, "npm", "ci").CombinedOutput(); err != nil {
			t.Fatalf("npm ci: %v\n%s", err, out)
		}
	}
	in, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	var out, log bytes.Buffer
	cmd := exec.CommandContext(ctx, "node", "signer.js")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("signer.js: %v\n%s", err, log.Bytes())
	}
	var a answer
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		t.Fatalf("signer.js: %v", err)
	}
	return a
}

func rsaKey(t testing.TB) (job, crypto.PublicKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return rsaJob(t, key), key.Public()
}

func rsaJob(t testing.TB, key *rsa.PrivateKey) job {
	t.Helper()
	pub, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return job{
		KeyType:       "RSA",
		PublicKeyPEM:  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})),
		PrivateKeyPEM: string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	}
}

func ed25519Key(t testing.TB) (job, crypto.PublicKey) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return job{KeyType: "ED25519", PublicKeyBase58: base58(pub), PrivateKeyBase58: base58(key)}, pub
}

func base58(b []byte) string {
	const digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	var out []byte
	n, base, digit := new(big.Int).SetBytes(b), big.NewInt(58), new(big.Int)
	for n.Sign() > 0 {
		n.DivMod(n, base, digit)
		out = append(out, digits[digit.Int64()])
	}
	for i := 0; i < len(b) && b[i] == 0; i++ {
		out = append(out, '1')
	}
	slices.Reverse(out)
	return string(out)
}

// credential is a certificate before signing, as DIVOC's templates make it.
func credential(version string) map[string]any {
	address := func() map[string]any {
		return map[string]any{
			"streetAddress": "12 Hope Road", "streetAddress2": "", "district": "St. Andrew", "city": "Kingston",
			"addressRegion": "Surrey", "addressCountry": "JAM", "postalCode": "",
		}
	}
	subject := map[string]any{
		"type": "Person", "id": "did:india:R1234567", "refId": "88812345", "name": "Marcia Testcase", "gender": "Female",
		"age": "41", "nationality": "Jamaican", "address": address(),
	}
	evidence := map[string]any{
		"id": "https://divoc.example/vaccine/123456789", "infoUrl": "https://divoc.example/?123456789", "feedbackUrl": "https://divoc.example/?123456789",
		"certificateId": "123456789", "type": []any{"Vaccination"}, "batch": "AB-7", "vaccine": "Covishield", "manufacturer": "Serum Institute",
		"date": "2021-10-17T05:30:28.187Z", "effectiveStart": "2021-10-17", "effectiveUntil": "2022-10-17", "dose": 1, "totalDoses": 2,
		"verifier": map[string]any{"name": "Nurse Test"}, "facility": map[string]any{"name": "Hope Health Centre", "address": address()},
	}
	if version == "v2" {
		subject["dob"] = "1980-02-29"
		evidence["icd11Code"], evidence["prophylaxis"] = "XM9QW8", "COVID-19 vaccine, non-replicating viral vector"
	}
	return map[string]any{
		"@context": []any{"https://www.w3.org/2018/credentials/v1", "https://cowin.gov.in/credentials/vaccination/" + version},
		"type":     []any{"VerifiableCredential", "ProofOfVaccinationCredential"},
		"issuer":   "https://divoc.example/", "issuanceDate": "2021-10-18T09:10:11.123Z", "nonTransferable": "true",
		"credentialSubject": subject, "evidence": []any{evidence},
	}
}

func subject(c map[string]any) map[string]any  { return c["credentialSubject"].(map[string]any) }
func evidence(c map[string]any) map[string]any { return c["evidence"].([]any)[0].(map[string]any) }

// variants are certificates that stress what canonicalisers disagree about.
func variants(version string) map[string]map[string]any {
	out := map[string]map[string]any{}
	add := func(name string, change func(c map[string]any)) {
		c := credential(version)
		change(c)
		out[name] = c
	}
	add("as templates make it", func(map[string]any) {})
	add("Sinhala and Tamil", func(c map[string]any) {
		subject(c)["name"] = "නිමල් පෙරේරා பிரியா"
		evidence(c)["facility"].(map[string]any)["name"] = "කොළඹ මහ රෝහල"
	})
	add("controls and quotes", func(c map[string]any) { subject(c)["name"] = "A\t\"B\"\\C\r\nD\u0001\b\f\u007f" })
	add("beyond the basic plane", func(c map[string]any) { subject(c)["name"] = "𝒜😀" })
	add("a space in the identity", func(c map[string]any) { subject(c)["id"] = "did:india:R 123 4567" })
	add("no holder id", func(c map[string]any) { delete(subject(c), "id") })
	add("no holder id and no address values", func(c map[string]any) {
		delete(subject(c), "id")
		subject(c)["address"] = map[string]any{}
		evidence(c)["facility"].(map[string]any)["address"] = map[string]any{}
	})
	add("members missing, null and empty", func(c map[string]any) {
		delete(subject(c), "address")
		subject(c)["gender"] = nil
		evidence(c)["dose"], evidence(c)["totalDoses"] = "", ""
	})
	add("numbers", func(c map[string]any) { subject(c)["age"], evidence(c)["dose"], evidence(c)["batch"] = 41, 1.5, 100000 })
	add("booleans", func(c map[string]any) { c["nonTransferable"] = true })
	add("relative issuer", func(c map[string]any) { c["issuer"] = "CoWIN" })
	return out
}

func TestDIVOCsSignerToOurVerifier(t *testing.T) {
	for name, newKey := range map[string]func(testing.TB) (job, crypto.PublicKey){"RSA": rsaKey, "Ed25519": ed25519Key} {
		for _, version := range []string{"v1", "v2"} {
			t.Run(name+" "+version, func(t *testing.T) {
				j, pub := newKey(t)
				var names []string
				for variant, c := range variants(version) {
					if name == "Ed25519" && variant == "relative issuer" {
						continue // there the signer checks the issuer itself
					}
					names = append(names, variant)
					j.Sign = append(j.Sign, c)
				}
				a := run(t, j)
				for i, variant := range names {
					cred, err := divocqr.Decode(a.Signed[i])
					if err != nil {
						t.Errorf("%s: %v", variant, err)
						continue
					}
					if err := cred.Verify(pub); err != nil {
						t.Errorf("%s: %v\n%s", variant, err, cred.NQuads())
					}
					code := a.Codes[i]
					for wire, data := range map[string][]byte{
						"as the code's text":       []byte(code.Text),
						"as the bytes of the ZIP":  latin1(code.Text),
						"as a scanner gives it":    []byte(scan(t, code.Size, code.Modules)),
						"as a Latin-1 reader does": []byte(expand(code.Text)),
					} {
						cred, err := divocqr.Decode(data)
						if err != nil {
							t.Errorf("%s, %s: %v", variant, wire, err)
						} else if err := cred.Verify(pub); err != nil {
							t.Errorf("%s, %s: %v", variant, wire, err)
						}
					}
				}
				_, other := newKey(t)
				cred, err := divocqr.Decode(a.Signed[0])
				if err != nil {
					t.Fatal(err)
				}
				if err := cred.Verify(other); !errors.Is(err, divocqr.ErrSignature) {
					t.Errorf("under another key: %v", err)
				}
			})
		}
	}
}

// TestWhatBothVerifiersSayOfChanges changes a signed certificate and asks
// DIVOC's verifier as well: where it is content, ours says why not to be.
func TestWhatBothVerifiersSayOfChanges(t *testing.T) {
	j, pub := rsaKey(t)
	unsigned := credential("v2")
	subject(unsigned)["id"] = "R1234567"
	j.Sign = []map[string]any{credential("v2"), unsigned}
	signed := run(t, j).Signed

	cases := []struct {
		name   string
		base   int
		change func(c map[string]any)
		theirs bool
		ours   error
		weak   string // a weakness that must be reported
	}{
		{"nothing changed", 0, func(map[string]any) {}, true, nil, divocqr.FieldsNotBound},
		{"another name", 0, func(c map[string]any) { subject(c)["name"] = "Somebody Else" }, false, divocqr.ErrSignature, ""},
		{"another lot", 0, func(c map[string]any) { evidence(c)["batch"] = "AB-8" }, false, divocqr.ErrSignature, ""},
		{"dose 2 of 1", 0, func(c map[string]any) { evidence(c)["dose"], evidence(c)["totalDoses"] = 2, 1 }, true, nil, divocqr.FieldsNotBound},
		{"certificate id and lot exchanged", 0, func(c map[string]any) {
			e := evidence(c)
			e["certificateId"], e["batch"] = e["batch"], e["certificateId"]
		}, true, nil, divocqr.ValuesMoved},
		{"another name, holder not signed", 1, func(c map[string]any) { subject(c)["name"] = "Somebody Else" }, true, divocqr.ErrSubjectNotSigned, divocqr.SubjectNotSigned},
	}
	j.Sign = nil
	for _, c := range cases {
		var doc map[string]any
		if err := json.Unmarshal(signed[c.base], &doc); err != nil {
			t.Fatal(err)
		}
		c.change(doc)
		j.Verify = append(j.Verify, doc)
	}
	theirs := run(t, j).Verified
	for i, c := range cases {
		if theirs[i] != c.theirs {
			t.Errorf("%s: DIVOC's verifier says %v", c.name, theirs[i])
		}
		data, err := json.Marshal(j.Verify[i])
		if err != nil {
			t.Fatal(err)
		}
		cred, err := divocqr.Decode(data)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if err := cred.Verify(pub); !errors.Is(err, c.ours) {
			t.Errorf("%s: Verify: %v, want %v", c.name, err, c.ours)
		}
		if c.weak != "" && !slices.Contains(cred.Weaknesses(), c.weak) {
			t.Errorf("%s: weaknesses %v, want %s", c.name, cred.Weaknesses(), c.weak)
		}
	}
}

// latin1 returns the bytes of a string of code points up to 255.
func latin1(s string) []byte {
	var out []byte
	for _, r := range s {
		out = append(out, byte(r))
	}
	return out
}

// expand takes the bytes of s for code points.
func expand(s string) string {
	var out []rune
	for _, b := range []byte(s) {
		out = append(out, rune(b))
	}
	return string(out)
}

// scan draws a code and reads it as a scanner does.
func scan(t testing.TB, size int, modules string) string {
	t.Helper()
	const scale, quiet = 4, 4
	side := (size + 2*quiet) * scale
	img := image.NewGray(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			mx, my := x/scale-quiet, y/scale-quiet
			if mx < 0 || my < 0 || mx >= size || my >= size || modules[my*size+mx] == '0' {
				img.SetGray(x, y, color.Gray{Y: 255})
			}
		}
	}
	return read(t, img)
}

// read is what a scanner reads in an image.
func read(t testing.TB, img image.Image) string {
	t.Helper()
	bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true})
	if err != nil {
		t.Fatalf("reading the code: %v", err)
	}
	return result.GetText()
}
