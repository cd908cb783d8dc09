package door

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// patience is how long a client may send or take nothing while a long body goes
// over the wire. The server's own limits are for requests of ordinary size.
const patience = time.Minute

// LongBody is the body of a request that may take as long as it takes, while
// something arrives every minute; then there is a minute for the answer.
func LongBody(w http.ResponseWriter, r *http.Request) io.Reader {
	return longBody{http.NewResponseController(w), r.Body}
}

type longBody struct {
	c    *http.ResponseController
	body io.Reader
}

// Read waits for more.
func (b longBody) Read(p []byte) (int, error) {
	at := time.Now()
	if err := errors.Join(b.c.SetReadDeadline(at.Add(patience)), b.c.SetWriteDeadline(at.Add(2*patience))); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return b.body.Read(p)
}

// Working keeps a connection on which nothing moves while an answer is worked
// out; it is to be told at least every minute.
func Working(w http.ResponseWriter) {
	c, until := http.NewResponseController(w), time.Now().Add(2*patience)
	_, _ = c.SetReadDeadline(until), c.SetWriteDeadline(until) // where there are none, none passes
}

// LongAnswer writes an answer that may take as long as it takes, while the
// client takes something every minute. Each write goes out at once.
func LongAnswer(w http.ResponseWriter) io.Writer {
	return longAnswer{http.NewResponseController(w), w}
}

type longAnswer struct {
	c *http.ResponseController
	w io.Writer
}

// Write sends p.
func (a longAnswer) Write(p []byte) (int, error) {
	if err := a.c.SetWriteDeadline(time.Now().Add(patience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	n, err := a.w.Write(p)
	if err == nil {
		err = a.c.Flush()
	}
	return n, err
}
