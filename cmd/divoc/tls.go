package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// tlsLook is how often the certificate's files are looked at for a renewed one.
const tlsLook = 10 * time.Second

// certificate is the certificate of https, read again when its files change, so
// that a renewed one is used without a restart. While the two files do not belong
// together, as between two writes, the one before stays.
type certificate struct {
	cert, key string // files
	now       func() time.Time
	log       *slog.Logger

	mu     sync.Mutex
	pair   *tls.Certificate
	state  string    // of the files when they were read last
	looked time.Time // when they were looked at last
}

// load reads the certificate for the first time.
func (c *certificate) load() error {
	c.state, c.looked = c.files(), c.now()
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("the TLS certificate %s with the key %s cannot be used: %w", c.cert, c.key, err)
	}
	c.pair = &pair
	return nil
}

// get is the certificate of a new connection.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.now(); at.Sub(c.looked) >= tlsLook || at.Before(c.looked) {
		c.looked = at
		if state := c.files(); state != c.state {
			c.state = state
			c.renew()
		}
	}
	return c.pair, nil
}

func (c *certificate) renew() {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		c.log.Error("the renewed TLS certificate cannot be used; the one before stays", slog.String("error", err.Error()))
		return
	}
	c.pair = &pair
	c.log.Info("the TLS certificate was renewed", slog.Time("until", pair.Leaf.NotAfter))
}

// files is what tells whether the files were written, following links, which is
// how renewed ones are put in place.
func (c *certificate) files() string {
	var out string
	for _, file := range []string{c.cert, c.key} {
		if info, err := os.Stat(file); err == nil {
			out += fmt.Sprint(info.ModTime().UnixNano(), info.Size(), ";")
		}
	}
	return out
}

// config is the configuration of https.
func (c *certificate) config() *tls.Config {
	return &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
}

// end is when the certificate that is served ends.
func (c *certificate) end() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pair.Leaf.NotAfter
}
