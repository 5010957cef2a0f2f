"""What runs in the process of the AWS services: moto, and what makes its events the platform's.

`server` works on requests one at a time; `outbox` hands over what they caused before they are answered. A module for
each service says what an event of it looks like, and where moto's own way ends: `objects` (S3), `topics` (SNS),
`rules` (EventBridge), `mail` (SES).
"""
