// What the builder without an engine stands on, opened for one command.
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/build/image_build.hpp"

#include "dockerfile_flags.hpp"
#include "session.hpp"

#include <filesystem>
#include <memory>
#include <string>

namespace cooper::cli {

/// Steps on standard error: "#3 [build 2/5] RUN make", "#3 0.4 …", "#3 DONE 1.2s".
class StepDisplay final : public build::BuildObserver {
public:
    StepDisplay(const Run& run, bool quiet) : progress_(*run.progress), quiet_(quiet) {}
    void begin(const Step& step) override;
    void output(const Step& step, std::string_view line, std::chrono::milliseconds since_begin) override;
    void end(const Step& step, End how, std::chrono::milliseconds took) override;
    void warning(const build::DockerfileWarning& warning, std::string_view file) override;

private:
    void say(const Step& step, const std::string& text);

    Progress& progress_;
    bool quiet_;
};

/// The directory of builds in the store; made. With --no-store one that goes with the process.
struct BuildHome {
    std::filesystem::path store;
    std::unique_ptr<TempDirectory> temporary;

    [[nodiscard]] std::filesystem::path builds() const { return store / "build"; }
    static BuildHome open(const StoreFlags& flags, const Environment& environment);
};

class BuildServices {
public:
    /// `confinement` is that of the process, by confine_process(). Borrows the session.
    BuildServices(Session& session, const BuildHome& home, const build::Confinement& confinement);
    [[nodiscard]] const build::ImageBuildServices& services() const { return services_; }
    [[nodiscard]] oci::Store& store() { return store_; }

private:
    oci::Store store_;
    build::Snapshots snapshots_;
    build::BuildCache cache_;
    build::CacheMounts mounts_;
    build::ImageBuildServices services_;
};

/// cooper as the builder of a project's images. Made before the session, for it must be confined before there are
/// threads; what make() returned goes before it.
class OwnBuilder {
public:
    /// A dry run tries nothing.
    void confine(const ConnectionFlags& connection, const DockerfileFlags& flags, const Environment& environment,
                 bool dry_run);
    /// RUN works here.
    [[nodiscard]] bool can_run() const { return can_run_; }
    [[nodiscard]] std::unique_ptr<build::Builder> make(Session& session, build::ImageBuildOptions options);

private:
    BuildHome home_;
    build::Confinement confinement_;
    bool can_run_ = false;
    std::unique_ptr<BuildServices> services_;
    std::unique_ptr<StepDisplay> display_;
};

}  // namespace cooper::cli
