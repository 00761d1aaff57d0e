// Credentials that lie in the environment or in files, and what all providers share.
#include "s3/providers.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/process.hpp"
#include "cooper/base/retry.hpp"
#include "cooper/base/text.hpp"

#include "base/json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::s3 {

namespace {

constexpr std::size_t kMaxAnswer = 256 * 1024;

Found find_static_keys(const IniSection* section, const std::string& origin) {
    const auto value = [section](std::string_view key) {
        const auto at = section == nullptr ? IniSection::const_iterator{} : section->find(key);
        return section == nullptr || at == section->end() ? std::string() : at->second;
    };
    const std::string id = value("aws_access_key_id");
    const std::string secret = value("aws_secret_access_key");
    if (id.empty() && secret.empty()) {
        return {std::nullopt, section == nullptr ? "no such section" : "no aws_access_key_id"};
    }
    if (id.empty() || secret.empty()) {
        throw Error(ErrorCode::InvalidInput, origin + " has only one of aws_access_key_id and aws_secret_access_key");
    }
    return {checked({id, Secret(secret), Secret(value("aws_session_token")), std::nullopt, origin}), ""};
}

bool has_control(std::string_view text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F; });
}

}  // namespace

Found find_environment(const ProviderContext& context) {
    const auto id = context.environment.get("AWS_ACCESS_KEY_ID");
    const auto secret = context.environment.get("AWS_SECRET_ACCESS_KEY");
    if (!id && !secret) {
        return {std::nullopt, "AWS_ACCESS_KEY_ID is not set"};
    }
    if (!id || !secret) {
        throw Error(ErrorCode::InvalidInput, std::string("the environment has ") +
                                                 (id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY") + " without " +
                                                 (id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID"));
    }
    Credentials credentials{*id, Secret(*secret), Secret(context.environment.get("AWS_SESSION_TOKEN").value_or("")),
                            std::nullopt, "environment"};
    if (const auto expiration = context.environment.get("AWS_CREDENTIAL_EXPIRATION")) {
        credentials.expires = parse_rfc3339(*expiration);
    }
    return {checked(std::move(credentials)), ""};
}

Found find_credentials_file(const ProviderContext& context, const std::string& profile) {
    return find_static_keys(context.profiles.credentials(profile), "profile " + profile + " (credentials file)");
}

Found find_config_file(const ProviderContext& context, const std::string& profile) {
    return find_static_keys(context.profiles.config(profile), "profile " + profile + " (config file)");
}

Found find_login_session(const ProviderContext& context, const std::string& profile) {
    return {std::nullopt, context.profiles.get(profile, "login_session")
                              ? "login_session (aws login) is not read; use \"aws configure export-credentials\""
                              : "no login_session"};
}

Found find_process(const ProviderContext& context, const std::string& profile, const Run& run) {
    const auto command = context.profiles.get(profile, "credential_process");
    if (!command) {
        return {std::nullopt, "no credential_process"};
    }
    const std::string what = "credential_process of profile " + profile;
    ProcessRequest request;
    request.arguments = split_command(*command);
    if (request.arguments.empty()) {
        throw Error(ErrorCode::InvalidInput, what + " is empty");
    }
    request.environment = context.environment.all();
    const ProcessResult result = in_context(what, [&] { return run_process(request, run); });
    if (result.exit_status != 0) {  // only what it says on standard error: standard output holds keys
        throw Error(ErrorCode::CommandFailed, what + " (" + request.arguments[0] + ") ended with status " +
                                                  std::to_string(result.exit_status) + ": " +
                                                  redact(trim(result.error_output).substr(0, 1000)));
    }
    if (json::find_int(json::parse(result.output, what), "Version", what).value_or(0) != 1) {
        throw Error(ErrorCode::Unsupported, what + ": its answer has another Version than 1");
    }
    Credentials credentials = parse_session(result.output, "SessionToken", what);
    credentials.origin = "profile " + profile + " (credential_process)";
    return {std::move(credentials), ""};
}

ServiceAnswer ask_service(HttpClient& http, const HttpRequest& request, int attempts, const Run& run) {
    RetryPolicy policy;
    policy.attempts = attempts;
    RetryBudget budget;
    Retrier retrier(policy, budget, run);
    for (;;) {
        try {
            HttpResponse response = http.send(request, run);
            ServiceAnswer answer{response.status,
                                 read_all(*response.body, kMaxAnswer, "the answer of " + request.url.redacted())};
            if (answer.status < 500 || !retrier.again(response.retry_after(run.clock->now()))) {
                return answer;
            }
        } catch (const Error& error) {
            if (error.code() != ErrorCode::Unavailable || !retrier.again()) {
                throw;
            }
        }
    }
}

Credentials parse_session(std::string_view text, std::string_view token_name, const std::string& what) {
    const json::Value document = json::parse(text, what);
    Credentials credentials;
    credentials.access_key_id = json::string_member(document, "AccessKeyId", what);
    credentials.secret_access_key = Secret(json::string_member(document, "SecretAccessKey", what));
    credentials.session_token = Secret(json::find_string(document, token_name, what).value_or(""));
    if (const auto expiration = json::find_string(document, "Expiration", what)) {
        credentials.expires = parse_rfc3339(*expiration);
        if (!credentials.expires) {
            throw Error(ErrorCode::InvalidInput, what + ": Expiration is no time");
        }
    }
    return checked(std::move(credentials));
}

Credentials checked(Credentials credentials) {
    if (credentials.access_key_id.empty() || has_control(credentials.access_key_id) ||
        has_control(credentials.secret_access_key.reveal()) || has_control(credentials.session_token.reveal())) {
        throw Error(ErrorCode::InvalidInput,
                    "the credentials from " +
                        (credentials.origin.empty() ? std::string("a service") : credentials.origin) +
                        " are empty or hold white space: an access key, its secret and a token never do");
    }
    return credentials;
}

std::vector<std::string> split_command(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;
    char quote = '\0';
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
            word += text[++i];
            in_word = true;
        } else if (quote != '\0') {
            if (c == quote) {
                quote = '\0';
            } else {
                word += c;
            }
        } else if (c == '"' || c == '\'') {
            quote = c;
            in_word = true;
        } else if (c == ' ' || c == '\t') {
            if (in_word) {
                words.push_back(std::exchange(word, {}));
            }
            in_word = false;
        } else {
            word += c;
            in_word = true;
        }
    }
    if (quote != '\0') {
        throw Error(ErrorCode::InvalidInput, "credential_process has a quote without its end");
    }
    if (in_word) {
        words.push_back(std::move(word));
    }
    return words;
}

}  // namespace cooper::s3
