"""The local serverless platform: AWS Lambda's API and Runtime API over sandboxes of this machine."""
