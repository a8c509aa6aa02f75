# `cpack` in a build tree configured with CMAKE_INSTALL_PREFIX=/usr makes a Debian package of what is installed;
# tools/package does both. The libraries it needs, with their versions, are dpkg-shlibdeps's answer.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME zerocast)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DESCRIPTION
    "zerocast captures a Wayland desktop through the portal and PipeWire, keeps
its pictures on the GPU where it can, and writes files or streams. With a
service of the user that is driven over D-Bus.")
set(CPACK_PACKAGE_CONTACT "The zerocast authors <zerocast@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/debian/prepare.cmake)
set(CPACK_DEBIAN_PACKAGE_SECTION video)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# The service has to be on somebody's session bus.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "default-dbus-session-bus | dbus-session-bus")
# Opened at run time where they are: a machine without a GPU needs none of them, a test pattern not even PipeWire.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS
    "pipewire (>= 1.0), wireplumber, xdg-desktop-portal, libvulkan1, libegl1, libgles2, libgbm1, libva2, libva-drm2")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "va-driver-all, mesa-vulkan-drivers")
include(CPack)
