terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

variable "endpoint" { type = string }
variable "package" { type = string }
variable "greeting" { type = string }
variable "snap_start" {
  type    = bool
  default = false
}

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  max_retries                 = 1
  endpoints {
    lambda = var.endpoint
  }
}

resource "aws_lambda_function" "fn" {
  function_name    = "tf-fn"
  role             = "arn:aws:iam::000000000000:role/test"
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  filename         = var.package
  source_code_hash = filebase64sha256(var.package)
  publish          = true
  memory_size      = 256
  timeout          = 10
  tags             = { team = var.greeting }
  environment {
    variables = { GREETING = var.greeting }
  }
  dynamic "snap_start" {
    for_each = var.snap_start ? ["PublishedVersions"] : []
    content { apply_on = snap_start.value }
  }
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.fn.function_name
  function_version = aws_lambda_function.fn.version
}

output "invoke_version" {
  value = aws_lambda_function.fn.version
}
