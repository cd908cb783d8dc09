// Package verify turns the text of a code, or the text of a credential, into a
// [Statement]: what it is, whether it is genuine, by whom it was signed, what
// it says, in which state it is, and what the person at the desk should do.
//
// It needs no network and has no clock of its own: whom to trust, what time it
// is and how to learn a certificate's status come in [Options]. Nothing in a
// scanned text ever causes a fetch, and nothing of its content is shown unless
// its signature was found to be genuine.
//
// The same package runs in the server, in the command line and, compiled to
// WebAssembly, in the browser. Reading images and PDF files is verify/scan.
package verify
