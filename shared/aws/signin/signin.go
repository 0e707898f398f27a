// Package signin signs the application in to Entra from Lambda: with a token that AWS
// issues for the function's role, so that no secret is stored anywhere; or with a
// certificate or a client secret from the secret store.
package signin

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"entrasync/shared/aws/awsfault"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/clients"
	"entrasync/shared/directory"
	"entrasync/shared/entra"
	"entrasync/shared/fault"
	"entrasync/shared/secret"
)

// The three ways to sign in, as the template's parameter names them.
const (
	Federated   = lambdaenv.Federated
	Certificate = "certificate"
	Secret      = "secret"
)

// The parameters of the token of the function's role (Microsoft Entra, workload identity
// federation: the audience of the public cloud; AWS STS, GetWebIdentityToken: RS256 or
// ES384, 60 to 3600 seconds).
const (
	audience      = "api://AzureADTokenExchange"
	algorithm     = "RS256"
	tokenDuration = 300 // seconds
)

// issuer is the part of STS that we call.
type issuer interface {
	GetWebIdentityToken(context.Context, *sts.GetWebIdentityTokenInput, ...func(*sts.Options)) (*sts.GetWebIdentityTokenOutput, error)
}

// Secrets are the secrets that a function needs to call the outside systems.
type Secrets interface {
	clients.Keys
	Entra(ctx context.Context) (secret.Entra, error)
}

// Records are the records that the clients of the outside systems need.
type Records interface {
	clients.Regions
	clients.Slowdowns
}

// Clients makes the clients of the outside systems that the function's variables name.
func Clients(env *lambdaenv.Environment, records Records, secrets Secrets) *clients.Set {
	set, err := clients.New(clients.Config{
		JumpCloudAPI: env.Variable(lambdaenv.JumpCloudAPI), JumpCloudInsights: env.Variable(lambdaenv.JumpCloudInsight), JumpCloudToken: env.Optional(lambdaenv.JumpCloudToken),
		GraphURL: env.Variable(lambdaenv.GraphURL), LoginURL: env.Variable(lambdaenv.LoginURL), ClientID: env.Variable(lambdaenv.ClientID),
		Proof: Proof(env.AWS, env.Variable(lambdaenv.SignIn), secrets), Keys: secrets, Regions: records, Slowdowns: records,
	})
	env.Refuse(err)
	return set
}

// Proof returns a function that returns the application's credentials of the given kind:
// Federated, Certificate or Secret.
func Proof(cfg aws.Config, kind string, secrets Secrets) func(context.Context) (entra.Proof, error) {
	return proof(sts.NewFromConfig(cfg), kind, secrets)
}

// proof is Proof on any issuer.
func proof(tokens issuer, kind string, secrets Secrets) func(context.Context) (entra.Proof, error) {
	return func(ctx context.Context) (entra.Proof, error) {
		if kind == Federated {
			return entra.Proof{Assertion: assertion(tokens)}, nil
		}
		stored, err := secrets.Entra(ctx)
		if passing(err) {
			return entra.Proof{}, err
		}
		if err != nil {
			return entra.Proof{}, refuse("the secret with the application's %s cannot be read", kind, err)
		}
		switch {
		case kind == Certificate && stored.Certificate != "":
			return entra.Proof{Certificate: stored.Certificate}, nil
		case kind == Secret && stored.ClientSecret != "":
			return entra.Proof{ClientSecret: stored.ClientSecret}, nil
		default:
			return entra.Proof{}, refuse("the application is to sign in with a %s, and the secret of the stack holds none", kind, nil)
		}
	}
}

// assertion requests a token of the function's role from AWS.
func assertion(tokens issuer) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		answer, err := tokens.GetWebIdentityToken(ctx, &sts.GetWebIdentityTokenInput{
			Audience: []string{audience}, SigningAlgorithm: aws.String(algorithm), DurationSeconds: aws.Int32(tokenDuration),
		})
		if err = awsfault.Of(ctx, err, "signin"); passing(err) {
			return "", err
		}
		if err != nil {
			return "", refuse("AWS gives the function no %s token: switch outbound web identity federation on for the account, and let the role call sts:GetWebIdentityToken", "identity", err)
		}
		return aws.ToString(answer.WebIdentityToken), nil
	}
}

// passing reports whether an error of AWS goes away by itself.
func passing(err error) bool { return fault.Is(err, fault.Transient) || fault.Is(err, fault.Throttled) }

// refuse makes the fault of a sign-in that a person has to repair.
func refuse(format, kind string, err error) error {
	return &fault.Error{Op: "signin", Kind: fault.Unauthorized, Reason: directory.ConsentLost, Message: fmt.Sprintf(format, kind), Err: err}
}
