// Command empty is a Lambda function that does nothing: the least that any
// function needs to start and to hold.
package main

import "github.com/aws/aws-lambda-go/lambda"

func main() {
	lambda.Start(func() error { return nil })
}
