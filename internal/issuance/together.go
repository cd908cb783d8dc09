package issuance

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/opendivoc/divoc/internal/access"
	"github.com/opendivoc/divoc/internal/registry"
	"github.com/opendivoc/divoc/internal/tracing"
	"github.com/opendivoc/divoc/vaccination"
)

// Requests of one event each that arrive while others are being written are
// written together in the next transaction: under load the cost of a transaction
// is shared by many, and a request alone waits for nobody.
const (
	// maxTogether bounds how many requests share a transaction.
	maxTogether = 128
	// writersTogether is how many such transactions of one caller run at once, so
	// that one is prepared and signed while another becomes durable.
	writersTogether = 2
	// togetherTimeout ends a transaction that the database does not answer. It is
	// not bound to any one request: those that share it have different lives.
	togetherTimeout = time.Minute
)

// lane is what requests must have in common to be written together.
type lane struct {
	by     access.Caller
	action Action
}

// waiting is one request until its answer.
type waiting struct {
	event vaccination.Event
	trace context.Context // of the request, for its trace only
	done  chan struct{}   // closed when the rest is set
	each  Each
}

// together holds the requests that wait, by lane.
type together struct {
	mu    sync.Mutex
	lanes map[lane]*queue
}

type queue struct {
	waiting []*waiting
	writers int
}

// join adds a request and reports whether the caller is to start a writer.
func (t *together) join(l lane, r *waiting) (start bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lanes == nil {
		t.lanes = map[lane]*queue{}
	}
	q := t.lanes[l]
	if q == nil {
		q = &queue{}
		t.lanes[l] = q
	}
	q.waiting = append(q.waiting, r)
	if q.writers == writersTogether {
		return false
	}
	q.writers++
	return true
}

// take returns the next requests to write, in the order they came, no two about
// one enrolment code: requests about one record are answered one after the
// other. None ends the writer.
func (t *together) take(l lane) []*waiting {
	t.mu.Lock()
	defer t.mu.Unlock()
	q := t.lanes[l]
	if len(q.waiting) == 0 {
		if q.writers--; q.writers == 0 {
			delete(t.lanes, l)
		}
		return nil
	}
	var batch, rest []*waiting
	codes := map[string]bool{}
	for _, r := range q.waiting {
		code := strings.Join(strings.Fields(r.event.EnrolmentCode), " ")
		if len(batch) == maxTogether || codes[code] {
			rest = append(rest, r)
			continue
		}
		codes[code] = true
		batch = append(batch, r)
	}
	q.waiting = rest
	return batch
}

// issueOne issues one event, together with those of other requests of the same
// caller. When ctx ends first, the event may be issued all the same.
func (s *Service) issueOne(ctx context.Context, by access.Caller, action Action, e vaccination.Event) ([]Result, error) {
	r := &waiting{event: e, trace: ctx, done: make(chan struct{})}
	l := lane{by, action}
	if s.together.join(l, r) {
		go s.write(context.WithoutCancel(ctx), l)
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.done:
	}
	if r.each.Err != nil {
		return nil, r.each.Err
	}
	return []Result{r.each.Result}, nil
}

// write writes what waits in a lane until nothing does.
func (s *Service) write(ctx context.Context, l lane) {
	for batch := s.together.take(l); batch != nil; batch = s.together.take(l) {
		s.writeBatch(ctx, l, batch)
	}
}

// issueGuarded turns a panic into an error: it runs outside of every request,
// where nothing else would catch it, and must not end the server.
func (s *Service) issueGuarded(ctx context.Context, l lane, events []vaccination.Event) (each []Each, err error) {
	defer func() {
		if recover() != nil { // its value may hold one of an event
			s.Log.Error("issuing panicked", slog.String("stack", string(debug.Stack())))
			err = errors.New("issuing panicked")
		}
	}()
	return s.IssueEach(ctx, l.by, l.action, events, nil)
}

func (s *Service) writeBatch(ctx context.Context, l lane, batch []*waiting) {
	ctx, cancel := context.WithTimeout(ctx, togetherTimeout)
	defer cancel()
	ctx = tracing.Below(ctx, batch[0].trace)
	events := make([]vaccination.Event, len(batch))
	for i, r := range batch {
		events[i] = r.event
	}
	each, err := s.issueGuarded(ctx, l, events)
	if err != nil && len(batch) > 1 && ctx.Err() == nil && !registry.IsDown(err) {
		// One of them is to blame, and must not hold up the others.
		for _, r := range batch {
			s.writeBatch(ctx, l, []*waiting{r})
		}
		return
	}
	for i, r := range batch {
		switch {
		case err != nil:
			r.each.Err = err
		case each[i].Err != nil:
			r.each.Err = &ItemError{Item: 0, Err: each[i].Err}
		default:
			r.each = each[i]
		}
		close(r.done)
	}
}
