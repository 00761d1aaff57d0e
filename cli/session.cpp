#include "session.hpp"

#include "cooper/delivery/place_below.hpp"

namespace cooper::cli {

namespace {

oci::RegistryCredentials split_login(const Secret& login) {
    const std::string& text = login.reveal();
    const std::size_t colon = text.find(':');
    oci::RegistryCredentials credentials;
    credentials.username = text.substr(0, colon);
    credentials.password = Secret(text.substr(colon + 1));
    credentials.origin = "command line";
    return credentials;
}

/// XDG base directory specification: state that survives a restart and is nobody's loss. Empty: there is no home.
std::filesystem::path upload_sessions(const Environment& environment) {
    if (const auto state = environment.get("XDG_STATE_HOME"); state && state->starts_with('/')) {
        return std::filesystem::path(*state) / "cooper" / "uploads";
    }
    const auto home = environment.get("HOME");
    return home && home->starts_with('/') ? std::filesystem::path(*home) / ".local/state/cooper/uploads"
                                          : std::filesystem::path();
}

}  // namespace

Session::Session(const OutputFlags& output, const ConnectionFlags& flags)
    : flags_(flags),
      verbose_(output.verbose),
      login_(flags.registry_login(environment_)),
      display_(choose_progress_style(output.quiet, output.no_progress)),
      run_{.stop = interrupts_.token(), .progress = &display_} {}

HttpClient& Session::http() {
    if (!http_) {
        auto tls = std::make_shared<TlsSettings>();
        tls->verify = !flags_.insecure;
        if (!flags_.ca_file.empty()) {
            tls->extra_ca_files.push_back(flags_.ca_file);
        }
        http_ = make_http_client({.user_agent = "cooper/" COOPER_VERSION, .tls = std::move(tls), .verbose = verbose_},
                                 environment_);
    }
    return *http_;
}

const oci::RegistryCredentialSource& Session::registry_credentials() {
    if (!registry_credentials_) {
        registry_credentials_ = login_.empty() ? oci::make_ecosystem_credentials(environment_, flags_.authfile)
                                               : oci::make_fixed_credentials(split_login(login_));
    }
    return *registry_credentials_;
}

oci::RegistryClient& Session::registry() {
    if (!registry_) {
        registry_ = std::make_unique<oci::RegistryClient>(http(), registry_credentials(), environment_,
                                                          oci::RegistryOptions{.insecure = flags_.insecure,
                                                                               .ca_file = flags_.ca_file,
                                                                               .certs_directory = flags_.cert_dir,
                                                                               .retry = flags_.retry});
    }
    return *registry_;
}

oci::EngineClient& Session::engine() {
    if (!engine_) {
        engine_ = std::make_unique<oci::EngineClient>(http(), oci::EngineEndpoint::find(environment_, flags_.host));
    }
    return *engine_;
}

const std::filesystem::path& Session::spool() {
    if (!spool_) {
        spool_ = std::make_unique<TempDirectory>("cooper");
    }
    return spool_->path();
}

void Session::open_store(Store store) {
    const auto directory = flags_.store.resolve(environment_);
    std::error_code ignored;
    if (store_ || !directory || (store == Store::Read && !std::filesystem::exists(*directory, ignored))) {
        return;
    }
    try {
        store_ = std::make_unique<oci::Store>(*directory);
    } catch (const Error& error) {
        if (!flags_.store.directory.empty()) {
            throw;
        }
        warn(std::string("going on without the local store: ") + error.what());
    }
}

const oci::PlaceAccess& Session::places(Store store) {
    open_store(store);
    places_.store = store_.get();
    places_.fill_store = store == Store::Fill && store_ != nullptr;
    if (!places_.registry) {
        places_.registry = [this]() -> oci::RegistryClient& { return registry(); };
        places_.engine = [this]() -> oci::EngineClient& { return engine(); };
        places_.input = [this]() -> Source& { return input_; };
        places_.output = [this]() -> Sink& { return standard_output_; };
        places_.spool = [this] { return spool(); };
        places_.upload_sessions = upload_sessions(environment_);
    }
    return places_;
}

s3::Bucket& Session::bucket(const std::string& name) {
    auto& known = buckets_[name];
    if (!known) {
        s3::Settings settings = s3::resolve_settings(environment_, flags_.profile);
        if (!flags_.region.empty()) {
            settings.region = flags_.region;
        }
        if (!flags_.endpoint_url.empty()) {
            settings.endpoint = flags_.endpoint_url;
        }
        if (flags_.addressing_given) {
            settings.addressing = flags_.addressing;
        }
        if (!flags_.ca_file.empty()) {
            settings.ca_bundle.clear();  // the client trusts the flag's file already; AWS_CA_BUNDLE would replace it
        }
        settings.insecure = settings.insecure || flags_.insecure;
        settings.retry = flags_.retry;
        if (!s3_credentials_) {
            s3_credentials_ = s3::make_credentials_chain(
                http(), environment_,
                {.profile = flags_.profile, .region = settings.region, .role_arn = flags_.role_arn});
        }
        known = std::make_unique<s3::Bucket>(name, settings, http(), *s3_credentials_);
    }
    return *known;
}

std::unique_ptr<delivery::Place> Session::place(const std::string& text, std::string_view flag) {
    if (text.starts_with("dir:") && text.size() > 4) {
        return delivery::make_directory_place(text.substr(4));
    }
    if (text.starts_with("s3://")) {
        const auto url = as_usage(flag, [&] { return s3::S3Url::parse(text); });
        return delivery::make_place_below(delivery::make_bucket_place(bucket(url.bucket)), url.key);
    }
    throw UsageError(std::string(flag) + ": \"" + text + "\" is neither s3://BUCKET[/PREFIX] nor dir:PATH");
}

}  // namespace cooper::cli
