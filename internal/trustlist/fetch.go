package trustlist

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/riverqueue/river"

	"github.com/opendivoc/divoc/vaccination"
)

const (
	fetchTimeout = 30 * time.Second
	// Every is how often it is looked whether a source is due.
	Every = 15 * time.Minute
)

// Fetcher returns what gets a list from an address that an administrator named:
// https only, no redirects, nothing within private networks, bounded in time and
// size. transport nil is the default one, with that bound.
func Fetcher(transport http.RoundTripper) func(context.Context, string) ([]byte, error) {
	if transport == nil {
		dialer := &net.Dialer{Timeout: 10 * time.Second, Control: publicOnly}
		transport = &http.Transport{DialContext: dialer.DialContext, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: fetchTimeout, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	}
	client := &http.Client{Timeout: fetchTimeout, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // it could lead anywhere
	}}
	return func(ctx context.Context, address string) ([]byte, error) {
		if err := checkAddress(address); err != nil {
			return nil, vaccination.Errorf(vaccination.Invalid, "%s", err.Error())
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return nil, vaccination.Errorf(vaccination.Invalid, "the address of the trust source is none")
		}
		a, err := client.Do(r)
		if err != nil {
			if errors.Is(err, errPrivate) {
				return nil, vaccination.Errorf(vaccination.Forbidden, "the address of the trust source leads into a private network, where nothing is asked: download the list and import the file")
			}
			return nil, vaccination.Errorf(vaccination.Unavailable, "the trust source does not answer")
		}
		defer a.Body.Close()
		if a.StatusCode/100 == 3 {
			return nil, vaccination.Errorf(vaccination.Unavailable, "the trust source leads to another address: name that one")
		}
		if a.StatusCode != http.StatusOK {
			return nil, vaccination.Errorf(vaccination.Unavailable, "the trust source answers with status %d", a.StatusCode)
		}
		data, err := io.ReadAll(io.LimitReader(a.Body, MaxSize+1))
		switch {
		case err != nil:
			return nil, vaccination.Errorf(vaccination.Unavailable, "the answer of the trust source broke off")
		case len(data) > MaxSize:
			return nil, vaccination.Errorf(vaccination.TooLarge, "the answer of the trust source has more than 16 MiB")
		}
		return data, nil
	}
}

var errPrivate = errors.New("an address within a private network")

// publicOnly refuses connections to anything but a public address, whatever name
// led there.
func publicOnly(_, address string, _ syscall.RawConn) error {
	host, err := netip.ParseAddrPort(address)
	if err != nil || !publicAddress(host.Addr().Unmap()) {
		return errPrivate
	}
	return nil
}

func publicAddress(a netip.Addr) bool {
	for _, p := range []string{"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "64:ff9b::/96", "2001:db8::/32"} {
		if netip.MustParsePrefix(p).Contains(a) {
			return false
		}
	}
	return a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsMulticast() && !a.IsUnspecified()
}

// refreshJob is the job that asks the sources that are due.
type refreshJob struct{}

// Kind names the job in the queue.
func (refreshJob) Kind() string { return "refresh-trust" }

// Job is what a queue runs [Every] time.
func Job() river.JobArgs { return refreshJob{} }

type worker struct {
	river.WorkerDefaults[refreshJob]
	service *Service
}

// Work asks them.
func (w *worker) Work(ctx context.Context, _ *river.Job[refreshJob]) error {
	return w.service.Refresh(ctx)
}

// AddTo adds the kind of job to workers.
func (s *Service) AddTo(workers *river.Workers) { river.AddWorker(workers, &worker{service: s}) }
