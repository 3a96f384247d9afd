import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet, redirect } from '@tanstack/react-router';
import { Broken, NotFound, Pending } from '@/components/Edges';
import { Frame } from '@/components/Frame';
import { SignedIn } from '@/components/SignedIn';
import { imagesSearch } from '@/pages/images/search';

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound });

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  component: lazyRouteComponent(() => import('@/pages/SignIn')),
});

// Every page but the one for signing in: behind a session, with the stream open and the frame around it.
const inside = createRoute({
  getParentRoute: () => root,
  id: 'inside',
  component: () => (
    <SignedIn>
      <Frame />
    </SignedIn>
  ),
});

const home = createRoute({
  getParentRoute: () => inside,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/storage/images', replace: true });
  },
});

const images = createRoute({
  getParentRoute: () => inside,
  path: '/storage/images',
  validateSearch: imagesSearch,
  component: lazyRouteComponent(() => import('@/pages/ImageLibrary')),
});

const image = createRoute({
  getParentRoute: () => inside,
  path: '/storage/images/$imageId',
  component: lazyRouteComponent(() => import('@/pages/ImageDetail')),
});

const pools = createRoute({
  getParentRoute: () => inside,
  path: '/storage/pools',
  component: lazyRouteComponent(() => import('@/pages/StoragePools')),
});

const volumes = createRoute({
  getParentRoute: () => inside,
  path: '/storage/volumes',
  component: lazyRouteComponent(() => import('@/pages/Volumes')),
});

const vms = createRoute({
  getParentRoute: () => inside,
  path: '/vms',
  component: lazyRouteComponent(() => import('@/pages/VirtualMachines')),
});

const newVm = createRoute({
  getParentRoute: () => inside,
  path: '/vms/new',
  validateSearch: (given: Record<string, unknown>): { image?: string } => (typeof given['image'] === 'string' && given['image'] ? { image: given['image'].slice(0, 200) } : {}),
  component: lazyRouteComponent(() => import('@/components/vm/VMCreationWizard')),
});

const profiles = createRoute({
  getParentRoute: () => inside,
  path: '/profiles',
  component: lazyRouteComponent(() => import('@/pages/Profiles')),
});

const vm = createRoute({
  getParentRoute: () => inside,
  path: '/vms/$vmId',
  component: lazyRouteComponent(() => import('@/pages/VirtualMachine')),
});

const vmConsole = createRoute({
  getParentRoute: () => inside,
  path: '/vms/$vmId/console',
  component: lazyRouteComponent(() => import('@/pages/VmConsole')),
});

const vmDisplay = createRoute({
  getParentRoute: () => inside,
  path: '/vms/$vmId/display',
  component: lazyRouteComponent(() => import('@/pages/VmDisplay')),
});

const nodes = createRoute({
  getParentRoute: () => inside,
  path: '/nodes',
  component: lazyRouteComponent(() => import('@/pages/Nodes')),
});

const jobs = createRoute({
  getParentRoute: () => inside,
  path: '/jobs',
  component: lazyRouteComponent(() => import('@/pages/Jobs')),
});

const settings = createRoute({
  getParentRoute: () => inside,
  path: '/settings',
  component: lazyRouteComponent(() => import('@/pages/Settings')),
});

const tree = root.addChildren([
  signIn,
  inside.addChildren([home, images, image, pools, volumes, vms, newVm, profiles, vm, vmConsole, vmDisplay, nodes, jobs, settings]),
]);

export const router = createRouter({
  routeTree: tree,
  defaultPreload: 'intent',
  defaultPendingComponent: Pending,
  defaultNotFoundComponent: NotFound,
  defaultErrorComponent: Broken,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
