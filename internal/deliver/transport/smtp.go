package transport

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// Mail hands e-mails to a mail server (RFC 5321, RFC 6409).
type Mail struct {
	s    Settings
	o    Options
	from *mail.Address
	// roots, in a test, are who may sign the server's certificate.
	roots *tls.Config
}

// parseFrom reads the sender.
func parseFrom(text string) (*mail.Address, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errors.New("a sender stands on one line")
	}
	return mail.ParseAddress(text)
}

// NewSMTP returns the transport of checked settings.
func NewSMTP(s Settings, o Options) *Mail {
	from, err := parseFrom(s.From)
	if err != nil {
		from = &mail.Address{} // checked before
	}
	return &Mail{s: s, o: o, from: from, roots: &tls.Config{MinVersion: tls.VersionTLS12}}
}

// Again implements [Transport]: the Message-ID of a message is the same each
// time, so that mailboxes show it once.
func (m *Mail) Again() bool { return true }

// Send implements [Transport].
func (m *Mail) Send(ctx context.Context, out Message) (Sent, error) {
	body, id, err := m.write(out)
	if err != nil {
		return Sent{}, err
	}
	c, err := m.open(ctx)
	if err != nil {
		return Sent{}, err
	}
	defer c.Close()
	if err := c.Mail(m.from.Address); err != nil {
		return Sent{}, answered(err, true)
	}
	if err := c.Rcpt(out.To); err != nil {
		return Sent{}, answered(err, false)
	}
	w, err := c.Data()
	if err != nil {
		return Sent{}, answered(err, true)
	}
	if _, err = w.Write(body); err == nil {
		err = w.Close() // the server's answer
	}
	if err != nil {
		return Sent{}, answered(err, false)
	}
	_ = c.Quit() // it is taken over already
	return Sent{ProviderID: id}, nil
}

// open connects, secures and signs in. Nothing was sent when it fails.
func (m *Mail) open(ctx context.Context) (*smtp.Client, error) {
	down := func(code string, credentials bool) error {
		return &Error{Class: Down, Code: code, Credentials: credentials}
	}
	host := m.s.SMTP.Host
	connection, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(m.s.SMTP.Port)))
	if err != nil {
		return nil, down("no-connection", false)
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Minute)
	}
	if err := connection.SetDeadline(deadline); err != nil {
		return nil, down("no-connection", false)
	}
	secure := m.roots.Clone()
	secure.ServerName = host
	if m.s.SMTP.TLS == "tls" {
		connection = tls.Client(connection, secure)
	}
	c, err := smtp.NewClient(connection, host)
	if err != nil {
		_ = connection.Close()
		return nil, down("no-greeting", false)
	}
	hello := m.s.SMTP.Hello
	if hello == "" {
		hello = "localhost"
	}
	if err := c.Hello(hello); err != nil {
		_ = c.Close()
		return nil, down("no-greeting", false)
	}
	if m.s.SMTP.TLS == "starttls" {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			_ = c.Close()
			return nil, down("no-starttls", true) // never in clear
		}
		if err := c.StartTLS(secure); err != nil {
			_ = c.Close()
			return nil, down("no-tls", true)
		}
	}
	if m.s.SMTP.User != "" {
		if err := c.Auth(smtp.PlainAuth("", fill(m.s.SMTP.User, m.s.Credentials, plainly), fill(m.s.SMTP.Password, m.s.Credentials, plainly), host)); err != nil {
			_ = c.Close()
			var a *textproto.Error
			return nil, down("auth", !errors.As(err, &a) || a.Code/100 == 5)
		}
	}
	return c, nil
}

// answered is what a server's refusal means. sender: it was about us, not about
// the recipient.
func answered(err error, sender bool) error {
	var a *textproto.Error
	if !errors.As(err, &a) {
		return &Error{Class: Unknown, Code: "no-answer"}
	}
	code := strconv.Itoa(a.Code)
	switch {
	case a.Code == 421:
		return &Error{Class: Down, Code: code}
	case a.Code/100 == 4 && (strings.Contains(a.Msg, "4.7.") || a.Code == 450 && sender):
		return &Error{Class: Throttled, Code: code}
	case a.Code/100 == 4:
		return &Error{Class: Temporary, Code: code}
	case sender:
		return &Error{Class: Down, Code: code, Credentials: true}
	case a.Code == 550 && strings.HasPrefix(a.Msg, "5.1.1"):
		return &Error{Class: Permanent, Code: code, Suppress: "unreachable"}
	default:
		return &Error{Class: Permanent, Code: code}
	}
}

// write is the message as it goes over the line (RFC 5322): text alone, in UTF-8.
// What could begin another header, or another recipient, is refused.
func (m *Mail) write(out Message) (body []byte, id string, err error) {
	to, err := mail.ParseAddress(out.To)
	if err != nil || to.Address != out.To || strings.ContainsFunc(out.To+out.Ref, func(r rune) bool { return r <= ' ' || r > '~' }) || strings.ContainsAny(out.Subject, "\r\n") {
		return nil, "", &Error{Class: Permanent, Code: "bad-header"}
	}
	_, domain, _ := strings.Cut(m.from.Address, "@")
	id = "<" + out.Ref + "@" + domain + ">"
	var b strings.Builder
	for _, h := range [][2]string{
		{"From", m.from.String()}, {"To", "<" + to.Address + ">"}, {"Subject", mime.QEncoding.Encode("utf-8", out.Subject)},
		{"Date", m.o.Now().UTC().Format(time.RFC1123Z)}, {"Message-ID", id}, {"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"}, {"Content-Type", `text/plain; charset="utf-8"`}, {"Content-Transfer-Encoding", "base64"},
	} {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	b.WriteString("\r\n")
	text := base64.StdEncoding.EncodeToString([]byte(out.Text + "\r\n"))
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	b.WriteString(text + "\r\n")
	return []byte(b.String()), id, nil
}
