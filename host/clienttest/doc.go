// Package clienttest holds a running host against the clients that people use:
// the aws CLI, boto3, aws-sdk-go-v2, Terraform's AWS provider, and our own. It
// has tests only.
//
// A tool that is not installed is skipped, and the test says so; with CI=true in
// the environment that is a failure. Terraform takes its provider from where the
// CLI configuration says; LAMBENT_TF_PLUGIN_DIR names a folder to take it from
// instead (terraform init -plugin-dir). Start with server_test.go.
package clienttest
