// Command commcare runs the replay of CommCare HQ's documented behaviour by hand:
// invented people are vaccinated every few seconds and forwarded to a divoc, which
// can ask the replay's case API for what forwarding lost.
//
//	DIVOC_TOKEN=… go run ./test/commcare --divoc http://127.0.0.1:8080
//
// It is not CommCare HQ.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/opendivoc/divoc/test/commcare/hq"
)

func main() {
	var f forwarding
	listen := flag.String("listen", "127.0.0.1:8086", "address of the case API")
	flag.StringVar(&f.divoc, "divoc", "http://127.0.0.1:8080", "divoc to forward to")
	flag.StringVar(&f.source, "source", "commcare", "its source")
	flag.DurationVar(&f.every, "every", 4*time.Second, "time between two people")
	flag.IntVar(&f.people, "people", 25, "people to vaccinate; 0: without end")
	flag.Float64Var(&f.drop, "drop", 0, "share of what is forwarded that gets lost; divoc finds it when it asks")
	flag.IntVar(&f.from, "from", int(time.Now().Unix()%1_000_000)*100, "number of the first person; the same numbers are the same people")
	flag.Parse()
	f.token = os.Getenv("DIVOC_TOKEN")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := f.run(ctx, *listen); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "commcare:", err)
		os.Exit(1)
	}
}

// forwarding is a project whose people are vaccinated one after the other.
type forwarding struct {
	divoc, source, token string
	every                time.Duration
	people, from         int
	drop                 float64
}

// Domain, User and Key are what the case API of the replay is asked with.
const (
	domain = "jamaica-demo"
	user   = "divoc@example.org"
	key    = "demo"
)

func (f forwarding) run(ctx context.Context, listen string) error {
	if f.token == "" {
		return errors.New("set DIVOC_TOKEN to a token of the source: divoc token create --role source --source " + f.source)
	}
	server := hq.New(hq.Options{Domain: domain, User: user, APIKey: key, Now: time.Now, IndexLag: 5 * time.Second})
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	api := &http.Server{Handler: server, ReadHeaderTimeout: 10 * time.Second}
	defer api.Close()
	go func() { _ = api.Serve(listener) }() // ends with Close
	address := strings.TrimRight(f.divoc, "/") + "/api/v1/intake/" + f.source
	fmt.Printf("replay of CommCare HQ's documented behaviour (not CommCare HQ) on http://%s, forwarding to %s\n", listener.Addr(), address)
	fmt.Printf("somebody is vaccinated every %v; reload %s/ to see the certificates\n\n", f.every, f.divoc)
	heard := &answers{next: http.DefaultTransport}
	forwarder := &hq.Forwarder{
		Server: server, URL: address, Client: &http.Client{Transport: heard, Timeout: time.Minute}, Drop: f.drop,
		Random:    rand.New(rand.NewPCG(uint64(f.from), 1)), //nolint:gosec // a game of chance
		Authorize: func(r *http.Request) { r.SetBasicAuth(f.source, f.token) },
	}
	for n := 0; f.people == 0 || n < f.people; n++ {
		select {
		case <-time.After(f.every):
		case <-ctx.Done():
			return nil
		}
		person, doses := hq.Invent(f.from + n)
		server.Put(person)
		for _, d := range doses {
			server.Put(d)
		}
		sent := forwarder.Step()
		fmt.Printf("%s, %d dose(s): %s\n", person.Name, len(doses), told(sent))
		if err := f.wait(ctx, heard.take()); err != nil {
			return err
		}
	}
	fmt.Println("everybody is vaccinated; the case API goes on answering")
	<-ctx.Done()
	return nil
}

// told is what became of what was due.
func told(s hq.Sent) string {
	var parts []string
	for what, n := range map[string]int{"forwarded": s.Delivered, "lost on the way": s.Dropped, "to be tried again in an hour": s.Again, "given up": s.Cancelled} {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	return strings.Join(parts, ", ")
}

// wait asks divoc what became of deliveries until their doses are settled, a few
// seconds at most.
func (f forwarding) wait(ctx context.Context, references []string) error {
	for _, reference := range references {
		for range 20 {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.divoc+"/api/v1/intake/"+f.source+"/"+reference, http.NoBody)
			if err != nil {
				return err
			}
			r.SetBasicAuth(f.source, f.token)
			var v struct {
				Doses []struct{ State, Class, CertificateID string }
			}
			a, err := http.DefaultClient.Do(r)
			if err != nil {
				break // it ends, or will be there again
			}
			if err := errors.Join(json.NewDecoder(a.Body).Decode(&v), a.Body.Close()); err != nil {
				break
			}
			waits := len(v.Doses) == 0
			for _, d := range v.Doses {
				waits = waits || d.State == "held" && d.Class == "waiting-for-person"
			}
			if waits {
				time.Sleep(100 * time.Millisecond)
				continue
			}
			for _, d := range v.Doses {
				switch {
				case d.Class == "no-dose":
				case d.CertificateID != "":
					fmt.Printf("    certificate %s\n", d.CertificateID)
				default:
					fmt.Printf("    %s %s\n", d.State, d.Class)
				}
			}
			break
		}
	}
	return nil
}

// answers keeps the references that divoc answers with, as a case would.
type answers struct {
	next       http.RoundTripper
	references []string
}

// RoundTrip sends and keeps the reference in the answer. One worker sends at a time.
func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := a.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	err = errors.Join(err, answer.Body.Close())
	var v struct{ Reference string }
	if err == nil && json.Unmarshal(body, &v) == nil && v.Reference != "" {
		a.references = append(a.references, v.Reference)
	} else if answer.StatusCode/100 != 2 {
		fmt.Printf("    divoc answers %s\n", answer.Status)
	}
	answer.Body = io.NopCloser(strings.NewReader(string(body)))
	return answer, err
}

func (a *answers) take() []string {
	out := a.references
	a.references = nil
	return out
}
