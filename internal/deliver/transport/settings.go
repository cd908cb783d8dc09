package transport

import (
	"embed"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/opendivoc/divoc/internal/strictyaml"
)

// Settings are the file of a gateway; docs/messages.md explains each key.
type Settings struct {
	Kind        string            `yaml:"kind"`   // http, smtp or file
	Preset      string            `yaml:"preset"` // a provider whose settings are known
	Classes     []string          `yaml:"classes"`
	PerSecond   float64           `yaml:"perSecond"`
	Concurrency int               `yaml:"concurrency"`
	Idempotent  bool              `yaml:"idempotent"`
	Credentials map[string]string `yaml:"credentials"`
	From        string            `yaml:"from"`
	Request     Request           `yaml:"request"`
	Auth        Auth              `yaml:"auth"`
	Success     Success           `yaml:"success"`
	ID          Find              `yaml:"id"`
	Errors      []Rule            `yaml:"errors"`
	Callback    Callback          `yaml:"receipts"`
	SMTP        SMTP              `yaml:"smtp"`
}

// Request is how a message is handed over.
type Request struct {
	Method   string            `yaml:"method"`
	URL      string            `yaml:"url"`
	Headers  map[string]string `yaml:"headers"`
	Query    map[string]string `yaml:"query"`
	Form     map[string]string `yaml:"form"`
	Body     string            `yaml:"body"`
	Encoding string            `yaml:"encoding"` // of values in Body: json, xml or text
}

// Auth is how we prove who we are.
type Auth struct {
	Kind     string            `yaml:"kind"` // basic, header, bearer, token; none where it is empty
	User     string            `yaml:"user"`
	Password string            `yaml:"password"`
	Header   string            `yaml:"header"`
	Value    string            `yaml:"value"`
	URL      string            `yaml:"url"`  // where a token is had
	Form     map[string]string `yaml:"form"` // what is posted there
	Token    string            `yaml:"token"`
	Seconds  string            `yaml:"seconds"` // where the answer says how long it counts
}

// Find is where something stands in an answer.
type Find struct {
	Field string `yaml:"field"` // path in JSON: messages.0.id
	Match string `yaml:"match"` // regular expression of a text, its first group

	match *regexp.Regexp
}

// Success is which answers mean that the message was taken over: the status and,
// where it says so, what stands in the body.
type Success struct {
	Status []int    `yaml:"status"`
	Field  string   `yaml:"field"`
	Equals []string `yaml:"equals"`
	Match  string   `yaml:"match"`

	match *regexp.Regexp
}

// Rule is what an answer means that is no success. What it says of an answer must
// all hold; the first rule counts.
type Rule struct {
	Status      []int    `yaml:"status"`
	Field       string   `yaml:"field"`
	Equals      []string `yaml:"equals"`
	Match       string   `yaml:"match"`
	Class       Class    `yaml:"class"`
	Suppress    string   `yaml:"suppress"`
	Credentials bool     `yaml:"credentials"`

	match *regexp.Regexp
}

// Callback is how receipts come.
type Callback struct {
	Format   string            `yaml:"format"` // query, form or json; none where it is empty
	List     string            `yaml:"list"`   // path of a list in JSON
	ID       string            `yaml:"id"`
	Ref      string            `yaml:"ref"`
	State    string            `yaml:"state"`
	Code     string            `yaml:"code"`
	States   map[string]string `yaml:"states"`
	Sign     Sign              `yaml:"signature"`
	Networks []string          `yaml:"networks"`

	networks []netip.Prefix
}

// Sign is how a provider signs its receipts.
type Sign struct {
	Kind   string `yaml:"kind"`   // twilio, or hmac-sha256 of the body
	Header string `yaml:"header"` // that holds it, in hex or base64
	Key    string `yaml:"key"`
}

// SMTP is a mail server.
type SMTP struct {
	Host     string `yaml:"host"`
	Port     int    `yaml:"port"`
	TLS      string `yaml:"tls"` // starttls, tls, or none on this machine
	User     string `yaml:"user"`
	Password string `yaml:"password"`
	Hello    string `yaml:"hello"` // our name to it
}

//go:embed presets/*.yaml
var presets embed.FS

// Presets lists the providers whose settings are known.
func Presets() []string {
	entries, err := presets.ReadDir("presets")
	if err != nil {
		return nil // embedded: cannot be
	}
	var out []string
	for _, e := range entries {
		out = append(out, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return out
}

// PresetText is the settings that are known of a provider, to read and to begin
// with.
func PresetText(name string) (string, bool) {
	b, err := presets.ReadFile("presets/" + name + ".yaml")
	return string(b), err == nil
}

// maxSettings bounds a gateway's file, in bytes.
const maxSettings = 64 << 10

// Parse reads the file of a gateway. The error names every fault with its line.
func Parse(name string, text []byte) (Settings, error) {
	f := strictyaml.New("gateway " + name)
	if len(text) > maxSettings {
		return Settings{}, fmt.Errorf("the file of a gateway has at most %d kB", maxSettings>>10)
	}
	var first struct {
		Preset string `yaml:"preset"`
	}
	_ = yaml.Unmarshal(text, &first) // what is wrong with it is told below
	var s Settings
	if first.Preset != "" {
		known, ok := PresetText(first.Preset)
		if !ok {
			return s, fmt.Errorf("gateway %s: there is no preset %q%s", name, first.Preset, strictyaml.Nearest(first.Preset, Presets()))
		}
		if err := yaml.Unmarshal([]byte(known), &s); err != nil {
			return s, err
		}
	}
	if f.Decode(text, &s) {
		s.check(f)
	}
	return s, f.Err()
}

var (
	place      = regexp.MustCompile(`\{([a-z][a-zA-Z0-9]*)\}`)
	credential = regexp.MustCompile(`^[a-z][a-zA-Z0-9]{0,30}$`)
)

// places are what may be put into a request, beside credentials.
func places() []string {
	return []string{"to", "number", "text", "from", "ref", "receipts", "coding", "type", "ttl", "ttlMinutes"}
}

// Channel is what the gateway carries.
func (s *Settings) Channel() string {
	if s.Kind == "smtp" {
		return "email"
	}
	return "sms"
}

// Serves reports whether it carries a class of messages.
func (s *Settings) Serves(class string) bool {
	return len(s.Classes) == 0 || slices.Contains(s.Classes, class)
}

// Rate is how many messages a second it takes.
func (s *Settings) Rate() float64 { return s.PerSecond }

// AtOnce is how many it takes at once.
func (s *Settings) AtOnce() int { return max(s.Concurrency, 1) }

func (s *Settings) check(f *strictyaml.Document) {
	for _, c := range s.Classes {
		if c != "code" && c != "notice" {
			f.At("classes", "write [code, notice], one of them, or leave it out for both")
		}
	}
	if s.PerSecond <= 0 || s.PerSecond > 10_000 {
		f.At("perSecond", "write how many messages a second it may get, as its operator says")
	}
	if s.Concurrency < 0 || s.Concurrency > 100 {
		f.At("concurrency", "write how many requests at once, 1 to 100; only 1 keeps the order exactly")
	}
	for name := range s.Credentials {
		if !credential.MatchString(name) || slices.Contains(places(), name) {
			f.At("credentials."+name, "write another name: letters and digits, none of %s", strings.Join(places(), ", "))
		}
	}
	switch s.Kind {
	case "http":
		s.checkHTTP(f)
	case "smtp":
		s.checkSMTP(f)
	case "file":
	default:
		f.At("kind", "write http or smtp")
	}
}

func (s *Settings) checkHTTP(f *strictyaml.Document) {
	if s.Request.Method != http.MethodGet && s.Request.Method != http.MethodPost {
		f.At("request.method", "write GET or POST")
	}
	checkURL(f, "request.url", place.ReplaceAllString(s.Request.URL, "x"))
	s.known(f, "request.url", s.Request.URL)
	for part, values := range map[string]map[string]string{"headers": s.Request.Headers, "query": s.Request.Query, "form": s.Request.Form, "auth.form": s.Auth.Form} {
		for k, v := range values {
			s.known(f, "request."+part+"."+k, v)
		}
	}
	s.known(f, "request.body", s.Request.Body)
	if s.Request.Body != "" && !slices.Contains([]string{"json", "xml", "text"}, s.Request.Encoding) {
		f.At("request.encoding", "write json, xml or text: how values are written in body")
	}
	switch s.Auth.Kind {
	case "", "basic", "bearer":
	case "header":
		if s.Auth.Header == "" {
			f.At("auth.header", "name the header that holds the key")
		}
	case "token":
		checkURL(f, "auth.url", s.Auth.URL)
		if s.Auth.Token == "" {
			f.At("auth.token", "write where the token stands in the answer, such as access_token")
		}
	default:
		f.At("auth.kind", "write basic, header, bearer or token, or leave it out")
	}
	for _, text := range []string{s.Auth.User, s.Auth.Password, s.Auth.Value} {
		s.known(f, "auth", text)
	}
	compile := func(at, text string, into **regexp.Regexp) {
		var err error
		if text != "" {
			if *into, err = regexp.Compile(text); err != nil {
				f.At(at, "%v", err)
			}
		}
	}
	compile("success.match", s.Success.Match, &s.Success.match)
	compile("id.match", s.ID.Match, &s.ID.match)
	if s.ID.match != nil && s.ID.match.NumSubexp() != 1 {
		f.At("id.match", "write brackets around the id")
	}
	if len(s.Success.Status) == 0 {
		f.At("success.status", "write the statuses of a message taken over, such as [200]")
	}
	for i := range s.Errors {
		r, at := &s.Errors[i], fmt.Sprintf("errors.%d", i+1)
		compile(at+".match", r.Match, &r.match)
		if !slices.Contains([]Class{Permanent, Temporary, Throttled, Down, Unknown}, r.Class) {
			f.At(at+".class", "write permanent, temporary, throttled, down or unknown")
		}
		if r.Suppress != "" && (r.Class != Permanent || r.Suppress != "opted-out" && r.Suppress != "unreachable") {
			f.At(at+".suppress", "write opted-out or unreachable, with the class permanent")
		}
	}
	s.checkCallback(f)
}

// checkURL wants https, or http on this machine: numbers and credentials go there.
func checkURL(f *strictyaml.Document, at, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		f.At(at, "write an address with https; http goes to this machine only")
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// known refuses places that nothing is put into.
func (s *Settings) known(f *strictyaml.Document, at, text string) {
	for _, m := range place.FindAllStringSubmatch(text, -1) {
		if _, ok := s.Credentials[m[1]]; !ok && !slices.Contains(places(), m[1]) {
			f.At(at, "{%s} is none of %s, nor of credentials", m[1], strings.Join(places(), ", "))
		}
	}
}

func (s *Settings) checkCallback(f *strictyaml.Document) {
	c := &s.Callback
	if c.Format == "" {
		return
	}
	if !slices.Contains([]string{"query", "form", "json"}, c.Format) {
		f.At("receipts.format", "write query, form or json")
	}
	if (c.ID == "") == (c.Ref == "") {
		f.At("receipts", "write id, where the provider's name of the message stands, or ref, where ours does")
	}
	if c.State == "" || len(c.States) == 0 {
		f.At("receipts.state", "write where the state stands, and in states what each of its values means")
	}
	for value, state := range c.States {
		if _, ok := ParseState(state); !ok {
			f.At("receipts.states."+value, "write accepted, unknown, expired, failed or delivered")
		}
	}
	switch c.Sign.Kind {
	case "":
	case "twilio", "hmac-sha256":
		s.known(f, "receipts.signature.key", c.Sign.Key)
		if c.Sign.Key == "" || c.Sign.Header == "" {
			f.At("receipts.signature", "write header and key")
		}
	default:
		f.At("receipts.signature.kind", "write twilio or hmac-sha256")
	}
	c.networks = nil
	for _, text := range c.Networks {
		n, err := netip.ParsePrefix(text)
		if err != nil {
			f.At("receipts.networks", "write networks like 203.0.113.0/24")
		}
		c.networks = append(c.networks, n)
	}
}

func (s *Settings) checkSMTP(f *strictyaml.Document) {
	if s.SMTP.Host == "" || s.SMTP.Port < 1 || s.SMTP.Port > 65535 {
		f.At("smtp.host", "write host and port (587 or 465) of the mail server")
	}
	switch s.SMTP.TLS {
	case "starttls", "tls":
	case "none":
		if !loopback(s.SMTP.Host) {
			f.At("smtp.tls", "without TLS, only to this machine")
		}
	default:
		f.At("smtp.tls", "write starttls (port 587) or tls (port 465)")
	}
	if _, err := parseFrom(s.From); err != nil {
		f.At("from", "write the sender's address, such as \"Ministry of Health <no-reply@certificates.gov.example>\"")
	}
}

// Options are what transports need of the program.
type Options struct {
	Now    func() time.Time
	Client http.RoundTripper
	Demo   bool
	File   string // of the transport "file"
}

// New returns the transport of checked settings.
func New(s Settings, o Options) (Transport, error) {
	switch s.Kind {
	case "http":
		return NewHTTP(s, o), nil
	case "smtp":
		return NewSMTP(s, o), nil
	default:
		if !o.Demo || o.File == "" {
			return nil, fmt.Errorf("messages go to a file in a demonstration only")
		}
		return NewFile(o), nil
	}
}
