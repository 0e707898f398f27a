# How `sam build` builds a function: SAM asks for the target build-<logical id>
# with the folder for the result in ARTIFACTS_DIR. The root Makefile includes it.
#
# The same sources give the same bytes anywhere: no paths of the machine, no
# build id, no time. FUNCTION_ARCH=amd64 builds for another processor.

FUNCTION_ARCH ?= arm64

build-%Function:
	@CGO_ENABLED=0 GOOS=linux GOARCH=$(FUNCTION_ARCH) $(GO) build -tags lambda.norpc -trimpath -ldflags='-s -w -buildid=' \
		-o '$(ARTIFACTS_DIR)/bootstrap' ./functions/$(shell tr '[:upper:]' '[:lower:]' <<< '$*')/lambda
