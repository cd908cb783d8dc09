package seal_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/opendivoc/divoc/internal/seal"
	"github.com/opendivoc/divoc/vaccination"
)

func newKey(t testing.TB) []byte {
	t.Helper()
	key, err := seal.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func open(t testing.TB, key []byte, dir string, create bool) *seal.Box {
	t.Helper()
	b, err := seal.Open(key, dir, seal.Options{Create: create})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpenRefusesAWrongKeyFile(t *testing.T) {
	good := string(newKey(t))
	line := good[strings.Index(good, "divoc-seal-key-1:"):]
	flipped := []byte(good)
	if i := len(flipped) - 10; flipped[i] == 'A' {
		flipped[i] = 'B'
	} else {
		flipped[i] = 'A'
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":               {"", "empty"},
		"only white space":    {" \n\n", "empty"},
		"only comments":       {"# a\n# b\n", "comments only"},
		"something else":      {"-----BEGIN PRIVATE KEY-----\n", "not a seal-key file"},
		"bytes without text":  {string(make([]byte, 32)), "not a seal-key file"},
		"a key cut off":       {good[:len(good)-5], "cut off"},
		"a character changed": {string(flipped), "check sum"},
		"two keys":            {good + line, "more than one"},
		"too large":           {strings.Repeat("#\n", 4096), "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := seal.Open([]byte(c.text), dir, seal.Options{Create: true})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error = %v, want one with %q", err, c.want)
			}
			if len(c.text) > 30 && strings.Contains(err.Error(), c.text[len(c.text)-20:]) {
				t.Error("the error repeats the key")
			}
			if entries, _ := os.ReadDir(dir); len(entries) != 0 {
				t.Error("something was written")
			}
		})
	}
}

func TestOpenNeverMakesAKeysetInSilence(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	if _, err := seal.Open(key, dir, seal.Options{}); vaccination.ErrorCode(err) != vaccination.Invalid || !strings.Contains(err.Error(), "missing") {
		t.Fatalf("a missing keyset: error = %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, seal.KeysetFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("a keyset was made")
	}
	first := open(t, key, dir, true)
	before, _ := os.ReadFile(filepath.Join(dir, seal.KeysetFile))
	again := open(t, key, dir, true) // Create with a keyset there opens that one
	after, _ := os.ReadFile(filepath.Join(dir, seal.KeysetFile))
	if !bytes.Equal(before, after) {
		t.Fatal("the keyset was replaced")
	}
	if !bytes.Equal(first.Index(seal.Mobile, "+18765550100"), again.Index(seal.Mobile, "+18765550100")) {
		t.Fatal("indexes differ after reopening")
	}
	if first.StatusIndex(3, 7) != again.StatusIndex(3, 7) || first.Bucket("X") != again.Bucket("X") {
		t.Fatal("bucket or status index differ after reopening")
	}
}

func TestOpenTellsAWrongKeyFromADamagedKeyset(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	open(t, key, dir, true)
	path := filepath.Join(dir, seal.KeysetFile)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode = %v, %v", info.Mode(), err)
	}
	_, err := seal.Open(newKey(t), dir, seal.Options{Create: true})
	if vaccination.ErrorCode(err) != vaccination.Forbidden || !strings.Contains(err.Error(), "not the seal key") {
		t.Errorf("a wrong seal key: error = %v", err)
	}
	good, _ := os.ReadFile(path)
	type file struct {
		Format  string            `json:"format"`
		SealKey string            `json:"sealKey"`
		Keysets map[string][]byte `json:"keysets"`
	}
	edit := func(f func(*file)) []byte {
		var k file
		if err := json.Unmarshal(good, &k); err != nil {
			t.Fatal(err)
		}
		f(&k)
		out, _ := json.Marshal(k)
		return out
	}
	for name, data := range map[string][]byte{
		"empty":              nil,
		"cut off":            good[:len(good)/2],
		"something appended": append(bytes.Clone(good), "{}"...),
		"another format":     edit(func(k *file) { k.Format = "divoc-keyset/9" }),
		"a bit flipped":      edit(func(k *file) { k.Keysets["person"][40] ^= 1 }),
		"a keyset missing":   edit(func(k *file) { delete(k.Keysets, "status") }),
		"two keysets exchanged": edit(func(k *file) {
			k.Keysets["bucket"], k.Keysets["status"] = k.Keysets["status"], k.Keysets["bucket"]
		}),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := seal.Open(key, dir, seal.Options{Create: true})
			if vaccination.ErrorCode(err) != vaccination.Invalid || !strings.Contains(err.Error(), "damaged") {
				t.Errorf("error = %v", err)
			}
			if now, _ := os.ReadFile(path); !bytes.Equal(now, data) {
				t.Error("the damaged keyset was replaced")
			}
		})
	}
}

func TestTwoFirstStartsMakeOneKeyset(t *testing.T) {
	key, dir := newKey(t), t.TempDir()
	var wg sync.WaitGroup
	got := make([][]byte, 8)
	for i := range got {
		wg.Go(func() {
			b, err := seal.Open(key, dir, seal.Options{Create: true})
			if err != nil {
				t.Error(err)
				return
			}
			got[i] = b.Index(seal.Content, "x")
		})
	}
	wg.Wait()
	for _, g := range got {
		if !bytes.Equal(g, got[0]) {
			t.Fatal("two first starts have different keys")
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files remain, want the keyset alone", len(entries))
	}
}

func TestPersonData(t *testing.T) {
	b := open(t, newKey(t), t.TempDir(), true)
	other := open(t, newKey(t), t.TempDir(), true)
	keyAAD, nameAAD := seal.AAD(7, 42, "key"), seal.AAD(7, 42, "sealed")
	wrapped, k, err := b.NewPersonKey(keyAAD)
	if err != nil {
		t.Fatal(err)
	}
	if len(wrapped) > 70 {
		t.Errorf("a wrapped key has %d bytes, more than 70", len(wrapped))
	}
	plain := []byte("a name")
	sealed, err := k.Seal(plain, nameAAD)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(sealed) - len(plain); n > 33 {
		t.Errorf("sealing adds %d bytes, more than 33", n)
	}
	again, err := b.PersonKey(wrapped, keyAAD)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Unseal(sealed, nameAAD); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("unsealed %q, %v", got, err)
	}
	for name, aad := range map[string][]byte{
		"of another person": seal.AAD(7, 43, "key"),
		"of another bucket": seal.AAD(8, 42, "key"),
		"of another column": nameAAD,
		"without a place":   nil,
	} {
		t.Run("a key "+name, func(t *testing.T) {
			if _, err := b.PersonKey(wrapped, aad); err == nil {
				t.Error("was unwrapped")
			}
		})
	}
	for name, aad := range map[string][]byte{
		"of another person": seal.AAD(7, 43, "sealed"),
		"of another bucket": seal.AAD(8, 42, "sealed"),
		"of another column": seal.AAD(7, 42, "event"),
	} {
		t.Run("data "+name, func(t *testing.T) {
			if _, err := k.Unseal(sealed, aad); err == nil {
				t.Error("was unsealed")
			}
		})
	}
	t.Run("under another installation's keys", func(t *testing.T) {
		if _, err := other.PersonKey(wrapped, keyAAD); err == nil {
			t.Error("was unwrapped")
		}
	})
	t.Run("with another person's key", func(t *testing.T) {
		_, k2, err := b.NewPersonKey(keyAAD)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k2.Unseal(sealed, nameAAD); err == nil {
			t.Error("was unsealed")
		}
	})
}

func TestSealedValuesRoundTripAndEveryBitCounts(t *testing.T) {
	b := open(t, newKey(t), t.TempDir(), true)
	rapid.Check(t, func(t *rapid.T) {
		plain := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "plain")
		aad := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "aad")
		sealed, err := b.Seal(plain, aad)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := b.Unseal(sealed, aad); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("got %x, %v", got, err)
		}
		bit := rapid.IntRange(0, len(sealed)*8-1).Draw(t, "bit")
		sealed[bit/8] ^= 1 << (bit % 8)
		if _, err := b.Unseal(sealed, aad); err == nil {
			t.Fatal("a changed value was unsealed")
		}
		if _, err := b.Unseal(sealed[:rapid.IntRange(0, len(sealed)-1).Draw(t, "cut")], aad); err == nil {
			t.Fatal("a value cut off was unsealed")
		}
	})
}

func TestAADTellsPlacesApart(t *testing.T) {
	seen := map[string]bool{}
	for _, bucket := range []vaccination.Bucket{0, 1, 1023} {
		for _, person := range []int64{-1, 0, 1, 1 << 40} {
			for _, column := range []string{"", "key", "sealed"} {
				s := string(seal.AAD(bucket, person, column))
				if seen[s] {
					t.Fatalf("two places share %x", s)
				}
				seen[s] = true
			}
		}
	}
}

func TestIndexes(t *testing.T) {
	b := open(t, newKey(t), t.TempDir(), true)
	other := open(t, newKey(t), t.TempDir(), true)
	seen := map[string]seal.IndexKind{}
	for kind := seal.Mobile; kind <= seal.NameAndBirth; kind++ {
		v := b.Index(kind, "1980-01-02")
		if len(v) != seal.IndexSize {
			t.Errorf("%v: %d bytes", kind, len(v))
		}
		if !bytes.Equal(v, b.Index(kind, "1980-01-02")) {
			t.Errorf("%v: not the same twice", kind)
		}
		if bytes.Equal(v, b.Index(kind, "1980-01-03")) || bytes.Equal(v, other.Index(kind, "1980-01-02")) {
			t.Errorf("%v: not bound to value and key", kind)
		}
		if k, dup := seen[string(v)]; dup {
			t.Errorf("%v and %v share a key", k, kind)
		}
		seen[string(v)] = kind
	}
}

func TestBucketsSpread(t *testing.T) {
	b := open(t, newKey(t), t.TempDir(), true)
	count := map[vaccination.Bucket]int{}
	for i := range 20480 {
		k := b.Bucket(strings.Repeat("x", i%7) + string(rune('a'+i%26)) + string(rune(i)))
		if !k.Valid() {
			t.Fatalf("bucket %d", k)
		}
		count[k]++
	}
	if len(count) < 1000 {
		t.Errorf("only %d of 1024 buckets are used", len(count))
	}
}

func TestStatusIndexIsAPermutation(t *testing.T) {
	b := open(t, newKey(t), t.TempDir(), true)
	first := make([]uint32, seal.StatusListSize)
	for _, list := range []uint32{0, 1, 1<<20 + 5, 1<<32 - 1} {
		seen := make([]bool, seal.StatusListSize)
		neighbours, same := 0, 0
		var last uint32
		for p := range uint32(seal.StatusListSize) {
			i := b.StatusIndex(list, p)
			if i >= seal.StatusListSize || seen[i] {
				t.Fatalf("list %d: index %d twice or outside", list, i)
			}
			seen[i] = true
			if p > 0 && (i == last+1 || last == i+1) {
				neighbours++
			}
			if list == 0 {
				first[p] = i
			} else if first[p] == i {
				same++
			}
			last = i
		}
		// A random permutation has some two of each.
		if neighbours > 20 || same > 20 {
			t.Errorf("list %d: %d neighbours stay neighbours, %d as in list 0: issue order shows", list, neighbours, same)
		}
	}
}

func TestGenerateKeyFailsWithItsRandomSource(t *testing.T) {
	if _, err := seal.GenerateKey(strings.NewReader("short")); err == nil {
		t.Error("a key was made from five bytes")
	}
}

func BenchmarkStatusIndex(b *testing.B) {
	box := open(b, newKey(b), b.TempDir(), true)
	for b.Loop() {
		box.StatusIndex(1, 77)
	}
}

func BenchmarkIndex(b *testing.B) {
	box := open(b, newKey(b), b.TempDir(), true)
	for b.Loop() {
		box.Index(seal.Mobile, "+18765550100")
	}
}

func BenchmarkNewPersonKeyAndSeal(b *testing.B) {
	box := open(b, newKey(b), b.TempDir(), true)
	data, aad := make([]byte, 600), seal.AAD(1, 2, "sealed")
	for b.Loop() {
		_, k, err := box.NewPersonKey(aad)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := k.Seal(data, aad); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPersonKeyAndUnseal(b *testing.B) {
	box := open(b, newKey(b), b.TempDir(), true)
	aad := seal.AAD(1, 2, "sealed")
	wrapped, k, err := box.NewPersonKey(aad)
	if err != nil {
		b.Fatal(err)
	}
	sealed, err := k.Seal(make([]byte, 600), aad)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		k, err := box.PersonKey(wrapped, aad)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := k.Unseal(sealed, aad); err != nil {
			b.Fatal(err)
		}
	}
}
