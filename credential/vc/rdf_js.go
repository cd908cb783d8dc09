package vc

import (
	"hash"

	"github.com/opendivoc/divoc/credential/jcs"
)

// known is no context: none is needed without RDF.
func known(string) ([]byte, bool) { return nil, false }

// nquads is not there in a browser: the few documents that need RDF do not outweigh
// what it takes to load it. The server and the command line have it.
func nquads(jcs.Value, func() hash.Hash, lookup) ([]byte, error) { return nil, ErrUnsupported }
