// Package scan finds the texts of certificate codes in what a person can hand
// over: a photograph, a scan, a PDF file, or the text itself. It reads QR codes
// in PNG and JPEG images, in the images of a PDF file and where a PDF draws the
// code as filled shapes, as our own certificates do.
//
// Whether a text found is a certificate, and genuine, only package verify says;
// nothing is trusted because of the file it came in, and a file attached to a
// PDF is never looked at. Everything read is bounded in size, number and time.
//
// The package is not part of the browser's verifier.
package scan
