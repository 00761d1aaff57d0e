// What a verb that works on the outside world needs, made when it is first used: signals, progress, HTTP, registry,
// engine, store, buckets.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/http.hpp"
#include "cooper/base/run.hpp"
#include "cooper/delivery/place.hpp"
#include "cooper/oci/copy.hpp"
#include "cooper/oci/engine.hpp"
#include "cooper/oci/registry.hpp"
#include "cooper/oci/store.hpp"

#include "connection_flags.hpp"
#include "interrupts.hpp"
#include "output.hpp"
#include "progress_display.hpp"
#include "standard_streams.hpp"

#include <map>
#include <memory>
#include <string>

namespace cooper::cli {

/// One per process, in the main thread. Members that borrow others stand below them, so they go first.
class Session {
public:
    Session(const OutputFlags& output, const ConnectionFlags& flags);
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    [[nodiscard]] const Run& run() const noexcept { return run_; }
    [[nodiscard]] const Environment& environment() const noexcept { return environment_; }
    /// For services that are neither registry, engine nor bucket.
    [[nodiscard]] HttpClient& http();
    [[nodiscard]] oci::RegistryClient& registry();
    [[nodiscard]] const oci::RegistryCredentialSource& registry_credentials();
    [[nodiscard]] oci::EngineClient& engine();
    /// For oci::open_place and oci::write_place. The store is read where it exists; `Fill` makes it, and keeps there
    /// what comes from registries.
    enum class Store { Read, Fill };
    [[nodiscard]] const oci::PlaceAccess& places(Store store = Store::Read);
    /// A directory for what must lie on a disk for a while; goes with the session.
    [[nodiscard]] const std::filesystem::path& spool();
    [[nodiscard]] s3::Bucket& bucket(const std::string& name);
    /// "s3://BUCKET[/PREFIX]" or "dir:PATH"; throws UsageError that names `flag` for anything else.
    [[nodiscard]] std::unique_ptr<delivery::Place> place(const std::string& text, std::string_view flag);

    /// A remark for people, on standard error unless --quiet.
    void note(std::string_view text) { display_.notice(NoticeLevel::Info, text); }
    void warn(std::string_view text) { display_.notice(NoticeLevel::Warning, text); }
    /// The work is done: no bars from here on, results may be printed.
    void finish_progress() { display_.close(); }

private:
    void open_store(Store store);

    const ConnectionFlags& flags_;
    bool verbose_;
    Environment environment_ = Environment::process();
    Secret login_;  // may wait for standard input, so before signals are taken
    Interrupts interrupts_;
    ProgressDisplay display_;
    Run run_;
    std::unique_ptr<HttpClient> http_;
    std::unique_ptr<oci::RegistryCredentialSource> registry_credentials_;
    std::unique_ptr<oci::RegistryClient> registry_;
    std::unique_ptr<oci::EngineClient> engine_;
    std::unique_ptr<oci::Store> store_;
    std::unique_ptr<TempDirectory> spool_;
    StandardInput input_;
    StandardOutput standard_output_;
    oci::PlaceAccess places_;
    std::unique_ptr<s3::CredentialsProvider> s3_credentials_;
    std::map<std::string, std::unique_ptr<s3::Bucket>> buckets_;
};

}  // namespace cooper::cli
