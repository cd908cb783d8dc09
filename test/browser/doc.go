// Package browser holds tests of the pages in a real browser: the built server
// and Chromium, driven by the scripts beside this file (playwright-core and
// axe-core, npm ci). Nothing in it is for import.
package browser
