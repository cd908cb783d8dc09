// Command dhis2 runs the replay of DHIS2's documented behaviour by hand.
//
//	go run ./test/dhis2 --listen 127.0.0.1:8085
//
// It is not DHIS2. /_replay/people lists its invented people, /_replay/faults
// switches faults on and off.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/opendivoc/divoc/test/dhis2/replay"
)

func main() {
	var o replay.Options
	listen := flag.String("listen", "127.0.0.1:8085", "address to listen on")
	flag.StringVar(&o.Version, "version", "2.41.0", "version that is replayed: below 2.41 lists have the older form, below 2.36 everything has the older names")
	flag.StringVar(&o.Token, "token", "d2pat_replay", "personal access token that may ask")
	flag.StringVar(&o.Fixtures, "fixtures", os.Getenv("DIVOC_FIXTURES"), "folder of recorded answers")
	flag.IntVar(&o.People, "people", 200, "invented people beside the named ones")
	flag.Parse()
	s, err := replay.New(o)
	if err == nil {
		fmt.Fprintf(os.Stderr, "replay of DHIS2's documented behaviour (not DHIS2) on http://%s\n", *listen)
		err = (&http.Server{Addr: *listen, Handler: s, ReadHeaderTimeout: 10 * time.Second}).ListenAndServe()
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
