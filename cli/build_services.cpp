#include "build_services.hpp"

#include "cooper/build/tree.hpp"

#include <array>
#include <cstdio>

namespace cooper::cli {

namespace {

std::string seconds_of(std::chrono::milliseconds time, int digits) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.*f", digits, static_cast<double>(time.count()) / 1000.0);
    return text.data();
}

build::ImageBuildServices services_of(Session& session, oci::Store& store, build::Snapshots& snapshots,
                                      build::BuildCache& cache, build::CacheMounts& mounts,
                                      const build::Confinement& confinement) {
    oci::PlaceAccess places = session.places(Session::Store::Fill);
    places.store = &store;
    places.fill_store = true;
    build::SourceAccess sources;
    sources.http = [&session]() -> HttpClient& { return session.http(); };
    sources.input = places.input;
    sources.spool = [&session] { return session.spool(); };
    sources.environment = &session.environment();
    return {store,
            snapshots,
            cache,
            mounts,
            confinement,
            std::move(places),
            std::move(sources),
            session.spool(),
            build::default_tree_cache(session.environment())};
}

}  // namespace

void StepDisplay::say(const Step& step, const std::string& text) {
    if (!quiet_) {
        progress_.notice(NoticeLevel::Info, "#" + std::to_string(step.number) + " " + text);
    }
}

void StepDisplay::begin(const Step& step) {
    say(step, step.title);
}

void StepDisplay::output(const Step& step, std::string_view line, std::chrono::milliseconds since_begin) {
    say(step, seconds_of(since_begin, 3) + " " + std::string(line));
}

void StepDisplay::end(const Step& step, End how, std::chrono::milliseconds took) {
    switch (how) {
        case End::Done:
            return say(step, "DONE " + seconds_of(took, 1) + "s");
        case End::Cached:
            return say(step, "CACHED");
        case End::Failed:
            return say(step, "ERROR " + seconds_of(took, 1) + "s");
        case End::Stopped:
            return say(step, "CANCELED");
    }
}

void StepDisplay::warning(const build::DockerfileWarning& warning, std::string_view file) {
    progress_.notice(NoticeLevel::Warning, std::string(file) + ":" + std::to_string(warning.position.line) + ": " +
                                               warning.rule + ": " + warning.message);
}

BuildHome BuildHome::open(const StoreFlags& flags, const Environment& environment) {
    BuildHome home;
    if (const auto directory = flags.resolve(environment)) {
        home.store = *directory;
    } else {
        home.temporary = std::make_unique<TempDirectory>("cooper-build");
        home.store = home.temporary->path() / "store";
    }
    static_cast<void>(oci::Store(home.store));  // makes it, with its mode
    std::filesystem::create_directories(home.builds());
    return home;
}

BuildServices::BuildServices(Session& session, const BuildHome& home, const build::Confinement& confinement)
    : store_(home.store),
      snapshots_(home.builds() / "layers", confinement),
      cache_(store_, home.builds() / "steps"),
      mounts_(home.builds() / "mounts", confinement),
      services_(services_of(session, store_, snapshots_, cache_, mounts_, confinement)) {}

void OwnBuilder::confine(const ConnectionFlags& connection, const DockerfileFlags& flags,
                         const Environment& environment, bool dry_run) {
    home_ = BuildHome::open(connection.store, environment);
    if (dry_run) {
        can_run_ = true;
        return;
    }
    confinement_ = build::confine_process({flags.wanted_isolation(), home_.builds()});
    can_run_ = confinement_.isolation != build::Isolation::None;
}

std::unique_ptr<build::Builder> OwnBuilder::make(Session& session, build::ImageBuildOptions options) {
    services_ = std::make_unique<BuildServices>(session, home_, confinement_);
    display_ = std::make_unique<StepDisplay>(session.run(), false);
    return std::make_unique<build::CooperBuilder>(services_->services(), std::move(options), *display_);
}

}  // namespace cooper::cli
