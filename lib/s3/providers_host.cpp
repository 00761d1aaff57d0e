// Credentials that the machine hands out: containers (ECS, EKS pod identity) and EC2 instance metadata, version 2.
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include "base/json.hpp"
#include "s3/providers.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace cooper::s3 {

namespace {

constexpr std::chrono::seconds kContainerTimeout{2};
constexpr int kContainerAttempts = 3;
constexpr std::chrono::seconds kInstanceTimeout{1};
constexpr std::size_t kMaxToken = 64 * 1024;

HttpRequest metadata_request(const std::string& url, std::chrono::milliseconds timeout) {
    HttpRequest request;
    request.url = Url::parse(url);
    request.use_proxy = false;
    request.connect_timeout = timeout;
    request.response_timeout = timeout;
    request.stall_timeout = timeout;
    return request;
}

/// Keys may go over plain http to the machine itself only.
bool may_be_plain(const Url& url) {
    constexpr std::array<std::string_view, 3> kLinkLocal{"169.254.170.2", "169.254.170.23", "fd00:ec2::23"};
    return url.is_loopback() || std::find(kLinkLocal.begin(), kLinkLocal.end(), url.host) != kLinkLocal.end();
}

std::string container_authorization(const Environment& environment) {
    std::string token;
    if (const auto file = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
        token = trim(read_file(*file, kMaxToken));  // rotates: read anew each time
    } else {
        token = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").value_or("");
    }
    if (token.find_first_of("\r\n") != std::string::npos) {
        throw Error(ErrorCode::InvalidInput, "the container's authorization token holds a line break");
    }
    return token;
}

std::string instance_endpoint(const ProviderContext& context) {
    const auto setting = [&context](std::string_view variable, std::string_view key) {
        auto value = context.environment.get(variable);
        return value ? *value : context.profiles.get(context.profile, key).value_or("");
    };
    std::string endpoint = setting("AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint");
    if (endpoint.empty()) {
        const std::string mode =
            setting("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode");
        endpoint = equals_ignoring_case(mode, "ipv6") ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
    }
    while (endpoint.ends_with('/')) {
        endpoint.pop_back();
    }
    return endpoint;
}

Found no_instance(const std::string& why) {
    return {std::nullopt, why};
}

}  // namespace

Found find_container(const ProviderContext& context, const Run& run) {
    const auto relative = context.environment.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const auto full = context.environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (!relative && !full) {
        return {std::nullopt, "not in a container of ECS or EKS"};
    }
    HttpRequest request = metadata_request(relative ? "http://169.254.170.2" + *relative : *full, kContainerTimeout);
    if (request.url.scheme != "https" && !may_be_plain(request.url)) {
        throw Error(ErrorCode::InvalidInput, "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor on this machine");
    }
    if (const std::string token = container_authorization(context.environment); !token.empty()) {
        request.headers.add("Authorization", token);
    }
    const std::string what = "the container's credentials";
    const ServiceAnswer answer = ask_service(context.http, request, kContainerAttempts, run);
    if (answer.status != 200) {
        throw HttpError(ErrorCode::AccessDenied, what + ": the service answered " + std::to_string(answer.status),
                        answer.status, "");
    }
    Credentials credentials = parse_session(answer.body, "Token", what);
    credentials.origin = "container";
    return {std::move(credentials), ""};
}

Found find_instance(const ProviderContext& context, const Run& run) {
    if (is_true(context.environment.get("AWS_EC2_METADATA_DISABLED").value_or(""))) {
        return no_instance("switched off by AWS_EC2_METADATA_DISABLED");
    }
    const std::string endpoint = instance_endpoint(context);
    const std::string roles = endpoint + "/latest/meta-data/iam/security-credentials/";
    try {
        HttpRequest begin = metadata_request(endpoint + "/latest/api/token", kInstanceTimeout);
        begin.method = "PUT";
        begin.headers.add("x-aws-ec2-metadata-token-ttl-seconds", "21600");
        begin.body = std::make_shared<MemoryRanged>("");
        const ServiceAnswer session = ask_service(context.http, begin, 1, run);
        const std::string token(trim(session.body));
        if (session.status != 200 || token.empty() || token.find_first_of("\r\n") != std::string::npos) {
            return no_instance("no session (IMDSv2 answered " + std::to_string(session.status) + ")");
        }
        const auto ask = [&](const std::string& url) {
            HttpRequest request = metadata_request(url, kInstanceTimeout);
            request.headers.add("x-aws-ec2-metadata-token", token);
            return ask_service(context.http, request, 1, run);
        };
        const ServiceAnswer names = ask(roles);
        const std::string role(trim(std::string_view(names.body).substr(0, names.body.find('\n'))));
        if (names.status != 200 || role.empty()) {
            return no_instance("the instance has no role");
        }
        const ServiceAnswer answer = ask(roles + percent_encode(role));
        const std::string what(kInstanceOrigin);
        // 200 with a Code and no keys: the role was taken away, or IAM is not ready.
        if (answer.status != 200 || !json::find_string(json::parse(answer.body, what), "AccessKeyId", what)) {
            return no_instance("role " + role + " has no keys at the moment");
        }
        Credentials credentials = parse_session(answer.body, "Token", what);
        credentials.origin = what + " (role " + role + ")";
        return {std::move(credentials), ""};
    } catch (const Error& error) {
        if (error.code() != ErrorCode::Unavailable) {
            throw;
        }
        return no_instance("not on an EC2 instance");
    }
}

}  // namespace cooper::s3
