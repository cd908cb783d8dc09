package deliver

import "context"

// RunCampaigns is what the sender of notices does each time.
func (s *Service) RunCampaigns(ctx context.Context) error { return s.runCampaigns(ctx) }
