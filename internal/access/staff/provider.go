package staff

// Provider is the country's identity provider (OpenID Connect).
type Provider struct{}

// Name is what the sign-in page calls it, in a language.
func (p *Provider) Name(string) string { return "" }

// SignOutURL is where a browser signs out at the provider too, "" for nowhere.
func (p *Provider) SignOutURL(string) string { return "" }
