#include "cooper/base/clock.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/retry.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/build_source.hpp"

#include "base/hashed_file.hpp"
#include "build/source/spool_directory.hpp"
#include "oci/printable.hpp"
#include "oci/registry/private_address.hpp"

#include <algorithm>
#include <chrono>

namespace cooper::build {

namespace {

constexpr int kMaxRedirects = 10;

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// "https://user:password@host/x" in two.
struct Address {
    Url url;
    std::string authorization;

    static Address parse(std::string_view text) {
        std::string address(text.substr(0, text.find('#')));
        const auto scheme_end = address.find("://");
        const auto begin = scheme_end == std::string::npos ? 0 : scheme_end + 3;
        const auto end = std::min(address.find_first_of("/?", begin), address.size());
        const auto at = address.substr(begin, end - begin).rfind('@');
        std::string authorization;
        if (at != std::string::npos) {
            authorization = "Basic " + to_base64(as_bytes(percent_decode(address.substr(begin, at))));
            address.erase(begin, at + 1);
        }
        return {Url::parse(address), std::move(authorization)};
    }
};

class LimitedSink final : public Sink {
public:
    LimitedSink(Sink& to, std::uint64_t limit, std::string what)
        : to_(to), left_(limit), limit_(limit), what_(std::move(what)) {}
    void write(Bytes chunk) override {
        if (chunk.size() > left_) {
            throw Error(ErrorCode::InvalidInput, what_ + " is larger than the limit of " + format_bytes(limit_));
        }
        left_ -= chunk.size();
        to_.write(chunk);
    }
    void finish() override { to_.finish(); }

private:
    Sink& to_;
    std::uint64_t left_;
    std::uint64_t limit_;
    std::string what_;
};

/// One download.
class Download {
public:
    Download(const std::string& url, const SourceAccess& access, const Run& run)
        : address_(Address::parse(url)), access_(access), run_(run) {}

    FetchedFile get(const std::optional<Digest>& expected) {
        const auto directory = make_spool_directory(access_.spool(), "file");
        RetryBudget budget;
        Retrier retrier({.attempts = 4}, budget, run_);
        for (;;) {
            std::optional<std::chrono::milliseconds> wait;
            try {
                return get_once(directory / "file", expected, wait);
            } catch (const Error& error) {
                if (error.code() != ErrorCode::Unavailable || !retrier.again(wait)) {
                    throw;
                }
            }
        }
    }

private:
    FetchedFile get_once(const std::filesystem::path& file, const std::optional<Digest>& expected,
                         std::optional<std::chrono::milliseconds>& wait) {
        HttpResponse response = follow();
        if (response.status != 200) {
            wait = response.retry_after(run_.clock->now());
            throw_status(response.status);
        }
        HashedFile spooled(file);
        LimitedSink limited(spooled, access_.max_bytes, address_.url.redacted());
        copy(*response.body, limited, run_.stop);
        limited.finish();
        check(file, spooled, expected);
        FetchedFile fetched{{}, spooled.digest(), spooled.size(), ""};
        fetched.source.path = file;
        fetched.source.name = file_name_of(address_.url.path);
        if (const auto date = response.headers.find("Last-Modified")) {
            if (const auto time = parse_http_date(*date)) {
                fetched.source.mtime =
                    std::chrono::duration_cast<std::chrono::seconds>(time->time_since_epoch()).count();
            }
        }
        return fetched;
    }

    /// The answer that is no redirect.
    HttpResponse follow() {
        Url url = address_.url;
        if (oci::is_link_local_host(url.host)) {
            Error error(ErrorCode::AccessDenied, "nothing is fetched from " + address_.url.redacted() +
                                                     ": clouds give out the machine's credentials at such addresses");
            error.advise("download the file before the build and COPY it");
            throw Error(error);
        }
        // Whoever writes an address of a private network means it; a server out there must not send us into one.
        const bool public_only = !oci::is_private_host(url.host);
        for (int redirects = 0;; ++redirects) {
            HttpRequest request;
            request.url = url;
            request.public_address_only = redirects > 0 && public_only;
            if (!address_.authorization.empty() && url.same_origin(address_.url)) {
                request.headers.add("Authorization", address_.authorization);
            }
            HttpResponse response = access_.http().send(request, run_);
            const auto location = response.headers.find("Location");
            if (!is_redirect(response.status) || !location) {
                return response;
            }
            if (redirects == kMaxRedirects) {
                throw Error(ErrorCode::Unsupported, address_.url.redacted() + " redirects more than " +
                                                        std::to_string(kMaxRedirects) + " times");
            }
            Url next = url.resolve(*location);
            if (url.scheme == "https" && next.scheme != "https") {
                throw Error(ErrorCode::Unsupported,
                            address_.url.redacted() + " redirects from https to " + next.redacted());
            }
            url = std::move(next);
        }
    }

    [[noreturn]] void throw_status(int status) const {
        const ErrorCode code = status == 404 || status == 410   ? ErrorCode::NotFound
                               : status == 401 || status == 403 ? ErrorCode::AccessDenied
                               : status == 429 || status >= 500 ? ErrorCode::Unavailable
                                                                : ErrorCode::Unsupported;
        throw HttpError(code,
                        "cannot fetch " + address_.url.redacted() + ": the server answers " + std::to_string(status),
                        status, "");
    }

    void check(const std::filesystem::path& file, const HashedFile& spooled,
               const std::optional<Digest>& expected) const {
        if (!expected) {
            return;
        }
        Digest actual = spooled.digest();
        if (expected->algorithm() != actual.algorithm()) {
            Hasher hasher(expected->algorithm());
            const auto content = FileRanged(file).open();
            std::array<std::byte, kStreamStep> buffer;
            while (const auto count = content->read(buffer)) {
                hasher.update(Bytes(buffer).first(count));
            }
            actual = hasher.finish();
        }
        if (actual != *expected) {
            throw IntegrityError("the file from " + address_.url.redacted(), expected->text(), actual.text());
        }
    }

    /// Behind the last slash; empty where that names nothing.
    static std::string file_name_of(const std::string& path) {
        const std::string name = percent_decode(path.substr(path.rfind('/') + 1));
        const bool usable =
            name != "." && name != ".." && name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
        return usable ? name : "";
    }

    Address address_;
    const SourceAccess& access_;
    const Run& run_;
};

}  // namespace

bool is_url(std::string_view source) {
    const auto scheme = to_lower(source.substr(0, 8));
    return (scheme.starts_with("http://") || scheme.starts_with("https://")) && !GitReference::parse(source);
}

FetchedFile fetch_file(const std::string& url, const std::optional<Digest>& expected, const SourceAccess& access,
                       const Run& run) {
    FetchedFile fetched = Download(url, access, run).get(expected);
    fetched.source.source = url;
    return fetched;
}

}  // namespace cooper::build
