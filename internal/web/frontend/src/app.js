// Every page: the behaviour of the components that have one. Without it the
// pages work the same.
import { Button, ErrorSummary, NotificationBanner } from 'govuk-frontend'

document.body.classList.add('js-enabled', 'govuk-frontend-supported')
for (const [Component, name] of [[Button, 'button'], [ErrorSummary, 'error-summary'], [NotificationBanner, 'notification-banner']]) {
  for (const el of document.querySelectorAll(`[data-module="govuk-${name}"]`)) new Component(el)
}
