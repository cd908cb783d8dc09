package hq

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Constants of CommCare HQ's forwarders.
const (
	minWait     = time.Hour
	maxWait     = 7 * 24 * time.Hour
	waitFactor  = 3
	maxAttempts = 6
)

// retried reports whether a status is tried again; every other of the 4xx ends the
// record for good, as an invalid payload.
func retried(status int) bool {
	return status >= 500 || slices.Contains([]int{400, 404, 408, 409, 412, 423, 424, 425, 426, 428, 429}, status)
}

// record is one case that waits to be forwarded. What is sent is made then.
type record struct {
	id       string
	due      time.Time
	attempts int
	wait     time.Duration
}

// Forwarder posts the cases of a server to one address.
type Forwarder struct {
	Server    *Server
	URL       string
	Authorize func(*http.Request)
	Client    *http.Client
	Workers   int        // that send at once; 0 is one
	Random    *rand.Rand // shuffles what is due, and drops
	// Drop is the share of records that are lost for good, as if their last
	// attempt had failed or a worker had died.
	Drop float64
	// Twice is the share of records that are sent a second time.
	Twice float64
}

// Sent counts what became of records.
type Sent struct {
	Delivered, Again, Cancelled, Dropped int
	Statuses                             map[int]int
}

// Step sends everything that is due by the server's clock, in no order, and
// returns when each was answered.
func (f *Forwarder) Step() Sent {
	due := f.due()
	f.Random.Shuffle(len(due), func(i, j int) { due[i], due[j] = due[j], due[i] })
	sent := Sent{Statuses: map[int]int{}}
	var send []*record
	for _, r := range due {
		if f.Random.Float64() < f.Drop {
			sent.Dropped++
			continue
		}
		send = append(send, r)
		if f.Random.Float64() < f.Twice {
			send = append(send, &record{id: r.id, attempts: maxAttempts})
		}
	}
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		jobs = make(chan *record)
	)
	for range max(1, f.Workers) {
		wg.Go(func() {
			for r := range jobs {
				status, err := f.post(r)
				mu.Lock()
				sent.Statuses[status]++
				f.settle(r, status, err, &sent)
				mu.Unlock()
			}
		})
	}
	for _, r := range send {
		jobs <- r
	}
	close(jobs)
	wg.Wait()
	return sent
}

// Waiting is how many records are queued, and when the next is due.
func (f *Forwarder) Waiting() (n int, next time.Time) {
	f.Server.mu.Lock()
	defer f.Server.mu.Unlock()
	for _, r := range f.Server.queue {
		if n == 0 || r.due.Before(next) {
			next = r.due
		}
		n++
	}
	return n, next
}

func (f *Forwarder) due() (out []*record) {
	s := f.Server
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now().UTC()
	s.queue = slices.DeleteFunc(s.queue, func(r *record) bool {
		if r.due.After(now) {
			return false
		}
		out = append(out, r)
		return true
	})
	return out
}

func (f *Forwarder) settle(r *record, status int, err error, sent *Sent) {
	r.attempts++
	switch {
	case err == nil && status/100 == 2:
		sent.Delivered++
	case (err != nil || retried(status)) && r.attempts < maxAttempts:
		sent.Again++
		if r.wait == 0 {
			r.wait = minWait / waitFactor
		}
		r.wait = min(r.wait*waitFactor, maxWait)
		s := f.Server
		s.mu.Lock()
		r.due = s.Now().UTC().Add(r.wait)
		s.queue = append(s.queue, r)
		s.mu.Unlock()
	default:
		sent.Cancelled++
	}
}

// post sends a case as it is now.
func (f *Forwarder) post(r *record) (int, error) {
	s := f.Server
	s.mu.Lock()
	c := s.cases[r.id]
	if c == nil || c.deleted {
		s.mu.Unlock()
		return http.StatusNoContent, nil
	}
	body, changed := c.forwarded(s.Domain), c.Changed
	s.mu.Unlock()
	request, err := http.NewRequest(http.MethodPost, f.URL, bytes.NewReader(body)) //nolint:noctx // a forwarder waits as long as it waits
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("server-modified-on", changed.Format(stamp))
	if f.Authorize != nil {
		f.Authorize(request)
	}
	answer, err := f.Client.Do(request)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, errors.Join(err, answer.Body.Close())
}
