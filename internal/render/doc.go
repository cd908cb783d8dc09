// Package render turns certificates into what a person can hold: an A4 PDF, a
// page to print from the browser, a QR code. It works on request, never on the
// issuing path, and needs nothing but the fonts built into the program.
//
// One content model ([View]) feeds every form, so that paper and page never
// say different things. What is not known is said ("not recorded"); nothing is
// invented, shortened or cut.
package render
