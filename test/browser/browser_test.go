package browser

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"image"
	"image/png"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opendivoc/divoc/credential/hcert"
	"github.com/opendivoc/divoc/verify/scan"
)

// setup is what a script is told, as JSON in its first argument.
type setup struct {
	Base        string   `json:"base"`
	Insecure    string   `json:"insecure"` // the same server under a name that is not localhost
	Languages   []string `json:"languages"`
	Chromium    string   `json:"chromium"`
	Out         string   `json:"out"` // folder for screenshots
	PNG         string   `json:"png"` // files of one valid certificate
	PDF         string   `json:"pdf"`
	Print       string   `json:"print"`       // URL of its print page
	Camera      string   `json:"camera"`      // its code as a camera sees it
	Barcode     string   `json:"barcode"`     // of an enrolment code, as a camera sees it
	Empty       string   `json:"empty"`       // a picture without a code
	Text        string   `json:"text"`        // its code
	Forged      string   `json:"forged"`      // its code with another signature
	Name        string   `json:"name"`        // as the list writes it
	Certificate string   `json:"certificate"` // its number

	Citizen  citizen            `json:"citizen"`
	Citizens map[string]citizen `json:"citizens"` // by the part of a story
}

func TestPages(t *testing.T) {
	chromium, binary := needs(t)
	for _, country := range []struct {
		profile   string
		languages []string
		scripts   []string
	}{
		{"jamaica", []string{"en"}, []string{"pages", "files", "camera", "refused", "keyboard", "noscript", "demo", "device", "offline"}},
		{"sri-lanka", []string{"si", "ta", "en"}, []string{"pages", "files", "noscript"}},
	} {
		t.Run(country.profile, func(t *testing.T) {
			s := start(t, binary, country.profile)
			c := s.sample(t)
			c.Chromium, c.Languages = chromium, country.languages
			for _, script := range country.scripts {
				t.Run(script, func(t *testing.T) { run(t, s, c, script) })
			}
		})
	}
}

// needs skips where the tools are missing, saying which; DIVOC_BROWSER=required
// makes that a failure.
func needs(t testing.TB) (chromium, binary string) {
	t.Helper()
	skip := t.Skipf
	if os.Getenv("DIVOC_BROWSER") == "required" {
		skip = t.Fatalf
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			chromium = p
			break
		}
	}
	if chromium == "" {
		skip("no chromium on this machine")
	}
	if _, err := exec.LookPath("node"); err != nil {
		skip("no node on this machine")
	}
	if _, err := os.Stat("node_modules/playwright-core"); err != nil {
		skip("run npm ci in test/browser")
	}
	binary = os.Getenv("DIVOC_BINARY") // another build to test
	if binary == "" {
		binary = filepath.Join("..", "..", "bin", "divoc")
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		skip("run make build")
	}
	return chromium, binary
}

type server struct {
	base string
	data string // folder
	cmd  *exec.Cmd
	done chan error
}

func start(t testing.TB, binary, profile string, more ...string) *server {
	t.Helper()
	return startAt(t, freeAddress(t), binary, profile, more...)
}

// freeAddress is one that nobody listens at.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startAt starts a demonstration at an address.
func startAt(t testing.TB, address, binary, profile string, more ...string) *server {
	t.Helper()
	var log bytes.Buffer
	data := filepath.Join(t.TempDir(), "data")
	cmd := exec.Command(binary, append([]string{"serve", "--profile", profile, "--data", data, "--listen", address, "--demo"}, more...)...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &server{base: "http://" + address, data: data, cmd: cmd, done: make(chan error, 1)}
	go func() { s.done <- cmd.Wait() }()
	t.Cleanup(s.stop)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		select {
		case err := <-s.done:
			s.done <- err
			t.Fatalf("the server ended: %v\n%s", err, log.String())
		default:
		}
		r, err := http.Get(s.base + "/readyz")
		if err == nil {
			_ = r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return s
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the server is not ready after a minute")
		}
	}
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	err := <-s.done
	s.done <- err
}

func (s *server) get(t testing.TB, path string) []byte {
	t.Helper()
	r, err := http.Get(s.base + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s %v", path, r.Status, err)
	}
	return data
}

var sampleRow = regexp.MustCompile(`(?s)samples__name">([^<]+)</th>.*?govuk-tag--(\w+).*?href="(/demo/certificates/[^/"]+)/`)

// sample takes the first valid certificate of the start page's list, as files.
func (s *server) sample(t testing.TB) setup {
	t.Helper()
	dir := t.TempDir()
	c := setup{Base: s.base, Insecure: strings.Replace(s.base, "127.0.0.1", "pages.test", 1), Out: os.Getenv("DIVOC_SCREENSHOTS")}
	rows := sampleRow.FindAllStringSubmatch(string(s.get(t, "/")), -1)
	i := slices.IndexFunc(rows, func(r []string) bool { return r[2] == "green" })
	if i < 0 {
		t.Fatal("the start page lists no valid certificate")
	}
	c.Name = html.UnescapeString(rows[i][1])
	file := func(name string, data []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	c.Print = s.base + rows[i][3] + "/print"
	picture := s.get(t, rows[i][3]+"/qr.png")
	c.PNG, c.PDF = file("code.png", picture), file("certificate.pdf", s.get(t, rows[i][3]+"/pdf"))
	codes, err := scan.Codes(context.Background(), picture)
	if err != nil || len(codes) != 1 {
		t.Fatalf("%d codes in the sample's picture: %v", len(codes), err)
	}
	c.Text = codes[0]
	c.Forged = forge(t, c.Text)
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	c.Camera = file("camera.y4m", film(img))
	var blank bytes.Buffer
	if err := png.Encode(&blank, image.NewGray(image.Rect(0, 0, 200, 200))); err != nil {
		t.Fatal(err)
	}
	c.Empty = file("empty.png", blank.Bytes())
	return c
}

// forge changes one bit of the signature of a code and packs it again, so that
// only the signature tells.
func forge(t testing.TB, code string) string {
	t.Helper()
	packed, err := unbase45(strings.TrimPrefix(code, "HC1:"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	cose, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	cose[len(cose)-1] ^= 1
	text, err := hcert.Text(cose)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// unbase45 reads Base45 (RFC 9285).
func unbase45(s string) (out []byte, err error) {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
	for len(s) > 0 {
		n, value, weight := min(3, len(s)), 0, 1
		for _, c := range s[:n] {
			value, weight = value+strings.IndexRune(alphabet, c)*weight, weight*45
		}
		if n == 3 {
			out = append(out, byte(value>>8))
		}
		out, s = append(out, byte(value)), s[n:]
		if n == 1 {
			return nil, errors.New("not Base45")
		}
	}
	return out, nil
}

// film is a picture held before a grey wall, as YUV4MPEG2, which Chromium takes
// for a camera.
func film(img image.Image) []byte {
	const w, h, frames = 640, 480, 3
	side := min(w, h) - 60
	b := img.Bounds()
	frame := bytes.Repeat([]byte{0x90}, w*h)
	for y := range side {
		for x := range side {
			r, _, _, _ := img.At(b.Min.X+x*b.Dx()/side, b.Min.Y+y*b.Dy()/side).RGBA()
			frame[(y+30)*w+x+(w-side)/2] = byte(16 + (r>>8)*219/255)
		}
	}
	frame = append(frame, bytes.Repeat([]byte{128}, w*h/2)...)
	out := fmt.Appendf(nil, "YUV4MPEG2 W%d H%d F10:1 Ip A1:1 C420jpeg\n", w, h)
	for range frames {
		out = append(append(out, "FRAME\n"...), frame...)
	}
	return out
}

// run runs a script. A script that prints "stop" wants the server stopped and
// waits for a line.
func run(t testing.TB, s *server, c any, script string) {
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", script+".mjs", string(data))
	var problems bytes.Buffer
	cmd.Stderr = &problems
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if lines.Text() == "stop" {
			s.stop()
			_, _ = in.Write([]byte("stopped\n"))
			continue
		}
		t.Log(lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v\n%s", script, err, problems.String())
	}
}
