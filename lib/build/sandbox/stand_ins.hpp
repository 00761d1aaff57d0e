// Copies in the place of mounts (private): for machines where nothing can be mounted.
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/base/run.hpp"
#include "cooper/build/sandbox.hpp"

#include "build/sandbox/places.hpp"
#include "build/sandbox/root_place.hpp"
#include "build/sandbox/stubs.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cooper::build::sandbox {

/// What is at a target is put aside in the root, and back afterwards. Changes of mounts that keep them are copied back.
class StandIns final : public RootPlace {
public:
    /// Borrows.
    StandIns(const std::filesystem::path& root, const SandboxCommand& command, const Confinement& how, Stubs& stubs,
             const Run& run);
    /// Puts back what can be put back.
    ~StandIns() override;

    void make_ready() override;
    void let_go() override {}
    void take_back() override;
    [[nodiscard]] int root() const noexcept override { return root_.get(); }
    [[nodiscard]] int proc() const noexcept override { return -1; }
    [[nodiscard]] int working_directory() const noexcept override { return working_directory_.get(); }

private:
    struct StandIn {
        FileDescriptor parent;
        std::string name;
        std::string aside;    ///< what was there; empty: nothing
        FileDescriptor into;  ///< directory that gets the changes; invalid: they are dropped
    };

    StandIn& make_room(Located found);
    void put_aside(StandIn& place);
    void put_back(const StandIn& place) const;

    void make_devices();
    void put_file(std::string_view path, const std::string& text, const SandboxMount* secret);
    void add(const SandboxMount& mount);
    void add_bind(const SandboxMount& mount);
    void add_tmpfs(const SandboxMount& mount);

    const SandboxCommand& command_;
    const Confinement& how_;
    Stubs& stubs_;
    const Run& run_;
    FileDescriptor root_;
    FileDescriptor working_directory_;
    FileDescriptor aside_;  ///< a directory of the root
    std::vector<StandIn> places_;
};

}  // namespace cooper::build::sandbox
