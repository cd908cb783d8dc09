package verifier

import (
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"github.com/opendivoc/divoc/internal/web/page"
)

// EmbedPath is the page that shows how to verify in pages of other sites; the module
// for that lies below it.
const EmbedPath = Path + "/embed"

// Shared are the files below [EmbedPath] that pages of other sites may load. Their
// addresses do not change.
func Shared() []string {
	return []string{"verify.mjs", "verify.d.ts", "wasm_exec.js", "verifier.wasm"}
}

// example is a whole page of another site, in ten lines.
func example(publicURL string) string {
	return strings.ReplaceAll(`<textarea></textarea><button>Verify</button>
<pre></pre>
<script type="module">
  import { load } from '{url}/verify/embed/verify.mjs'
  const verifier = await load()
  document.querySelector('button').addEventListener('click', () => {
    const statement = verifier.verify(document.querySelector('textarea').value)
    document.querySelector('pre').textContent = verifier.text(statement)
  })
</script>`, "{url}", publicURL)
}

// policy is what the content policy of such a page has to allow.
func policy(publicURL string) string {
	return strings.ReplaceAll("script-src 'self' {url} 'wasm-unsafe-eval'; connect-src {url}", "{url}", publicURL)
}

// Embed answers with the page for those who build verifying into their own. It is in
// English, as the reference of the API is.
func Embed(f *page.Frame, publicURL string) http.HandlerFunc {
	publicURL = strings.TrimSuffix(publicURL, "/")
	return func(w http.ResponseWriter, r *http.Request) {
		f.Write(w, r, page.Page{Title: "Verify in your own page", Script: "embed.js", Verifier: true,
			Body: func(v page.View) templ.Component { return embedPage(v, example(publicURL), policy(publicURL)) }})
	}
}
