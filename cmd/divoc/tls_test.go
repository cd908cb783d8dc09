package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestARenewedCertificateIsUsed renews a certificate under a listening server,
// the two files one after the other as programs do.
func TestARenewedCertificateIsUsed(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "chain.pem"), filepath.Join(dir, "key.pem")
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	write := func(file string, data []byte) {
		t.Helper()
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		stamp := at // as coarse as some file systems, and never the time before
		if err := os.Chtimes(file, stamp, stamp); err != nil {
			t.Fatal(err)
		}
	}
	cert, key := selfSigned(t, 1)
	write(certFile, cert)
	write(keyFile, key)
	var log bytes.Buffer
	c := &certificate{cert: certFile, key: keyFile, now: func() time.Time { return at }, log: slog.New(slog.NewTextHandler(&log, nil))}
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", c.config())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func(conn net.Conn) {
				_, _ = conn.Read(make([]byte, 1)) // the handshake
				conn.Close()
			}(conn)
		}
	}()
	serves := func(want int64) {
		t.Helper()
		conn, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(); got != want {
			t.Errorf("certificate %d is served, want %d", got, want)
		}
	}
	serves(1)
	cert, key = selfSigned(t, 2)
	at = at.Add(time.Second)
	write(certFile, cert)
	serves(1) // not looked at yet
	at = at.Add(tlsLook)
	serves(1) // the key is still the old one's
	if !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("the log says %s", &log)
	}
	write(keyFile, key)
	at = at.Add(tlsLook)
	serves(2)
	if err := os.Remove(certFile); err != nil {
		t.Fatal(err)
	}
	at = at.Add(tlsLook)
	serves(2) // gone: the one in memory stays
	cert, key = selfSigned(t, 3)
	write(certFile, cert)
	write(keyFile, key)
	at = at.Add(-time.Hour) // a clock set back
	serves(3)
}

// selfSigned is a certificate with a serial number, and its key.
func selfSigned(t *testing.T, serial int64) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}
