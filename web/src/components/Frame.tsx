import { ActionIcon, Alert, AppShell, Burger, Button, Group, Indicator, Kbd, NavLink, Paper, Stack, Text, useMantineColorScheme } from '@mantine/core';
import { useClickOutside, useDisclosure, useHotkeys } from '@mantine/hooks';
import { IconActivity, IconArrowsShuffle, IconDatabase, IconDeviceDesktop, IconDeviceLaptop, IconDisc, IconDownload, IconMoon, IconPlugConnectedX, IconSearch, IconServer2, IconSettings, IconStack2, IconSun, IconTemplate } from '@tabler/icons-react';
import { Link, Outlet, useLocation } from '@tanstack/react-router';
import { type KeyboardEvent, type ReactNode, Suspense, useEffect, useRef, useState } from 'react';
import { later } from '@/components/later';
import { flushSync } from 'react-dom';
import { useConnection, useWatch } from '@/api/library';
import { JobProgress } from '@/components/JobProgress';
import { tip, Tips } from '@/components/Tips';
import { isLive } from '@/hooks/jobs';
import { useJobs } from '@/hooks/useImages';
import { text } from '@/text/en';

const Palette = later(() => import('@/components/Palette'));

const PLACES = [
  {
    title: text.nav.storage,
    links: [
      { to: '/storage/images', label: text.nav.images, icon: IconDisc },
      { to: '/storage/pools', label: text.nav.pools, icon: IconDatabase },
      { to: '/storage/volumes', label: text.nav.volumes, icon: IconStack2 },
    ],
  },
  {
    title: text.nav.compute,
    links: [
      { to: '/vms', label: text.nav.vms, icon: IconDeviceDesktop },
      { to: '/profiles', label: text.nav.profiles, icon: IconTemplate },
      { to: '/nodes', label: text.nav.nodes, icon: IconServer2 },
    ],
  },
  {
    title: text.nav.operation,
    links: [
      { to: '/jobs', label: text.nav.jobs, icon: IconArrowsShuffle },
      { to: '/settings', label: text.nav.settings, icon: IconSettings },
    ],
  },
] as const;

/** What surrounds every page: where one can go, what is going on, and whether the server answers. */
export function Frame(): ReactNode {
  const [opened, { toggle, close }] = useDisclosure(false);
  const [palette, setPalette] = useState(0);
  const { pathname } = useLocation();
  const main = useRef<HTMLElement>(null);
  // Before the next key is read, so that none of what is typed gets lost.
  const open = (): void => flushSync(() => setPalette((count) => count + 1));
  useHotkeys([['mod+K', open]], []);
  useHotkeys([['/', () => main.current?.querySelector<HTMLInputElement>('input[type="search"]')?.focus()]]);
  useEffect(close, [pathname, close]);
  return (
    <AppShell header={{ height: 58 }} navbar={{ width: 232, breakpoint: 'sm', collapsed: { mobile: !opened } }} padding="md">
      <a className="skip" href="#content" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>
        {text.skip}
      </a>
      <AppShell.Header px="md">
        <Group h="100%" justify="space-between" wrap="nowrap" gap="sm">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={text.nav.menu} aria-expanded={opened} />
            <Link to="/storage/images" className="brand" aria-label={text.product}>
              <img src="/icon.svg" width={28} height={28} alt="" />
              <span>{text.product}</span>
            </Link>
          </Group>
          <Group gap="xs" wrap="nowrap">
            <Button variant="default" leftSection={<IconSearch size={16} aria-hidden />} rightSection={<Kbd size="xs">Ctrl K</Kbd>} onClick={open} visibleFrom="sm" fw={400}>
              {text.palette.open}
            </Button>
            <ActionIcon variant="default" size="lg" onClick={open} hiddenFrom="sm" aria-label={text.palette.open}>
              <IconSearch size={18} aria-hidden />
            </ActionIcon>
            <JobsIndicator />
            <ThemeButton />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="sm" aria-label={text.nav.label}>
        <div style={{ overflowY: 'auto' }}>
          {PLACES.map(({ title, links }) => (
            <div key={title} role="group" aria-label={title}>
              <Text size="xs" fw={600} c="dimmed" px="sm" pt="sm" pb={4}>
                {title}
              </Text>
              {links.map(({ to, label, icon: Icon }) => (
                <NavLink
                  key={to}
                  renderRoot={(props) => <Link to={to} {...props} />}
                  active={pathname.startsWith(to)}
                  aria-current={pathname.startsWith(to) ? 'page' : undefined}
                  label={label}
                  className="place"
                  leftSection={<Icon size={18} stroke={1.6} aria-hidden />}
                />
              ))}
            </div>
          ))}
        </div>
      </AppShell.Navbar>
      <AppShell.Main id="content" ref={main} tabIndex={-1} style={{ outline: 'none' }}>
        <ConnectionBanner />
        <Outlet />
      </AppShell.Main>
      <Tips />
      {palette > 0 && (
        <Suspense>
          <Palette asked={palette} />
        </Suspense>
      )}
    </AppShell>
  );
}

function ConnectionBanner(): ReactNode {
  const connection = useConnection();
  const watch = useWatch();
  const lost = connection === 'lost';
  return (
    <div role="status" aria-live="polite">
      {lost && (
        <Alert color="orange" variant="light" mb="md" icon={<IconPlugConnectedX aria-hidden />}>
          <Group justify="space-between" gap="xs">
            <Text size="sm" c="inherit">{text.connection.lost}</Text>
            <Button size="xs" variant="default" onClick={watch.retry}>
              {text.connection.tryNow}
            </Button>
          </Group>
        </Alert>
      )}
    </div>
  );
}

function JobsIndicator(): ReactNode {
  const [opened, { toggle, close }] = useDisclosure(false);
  const { jobs } = useJobs();
  const running = jobs.filter(isLive);
  const button = useRef<HTMLButtonElement>(null);
  const place = useClickOutside<HTMLDivElement>(close);
  const { pathname } = useLocation();
  useEffect(close, [pathname, close]);
  const escape = ({ key }: KeyboardEvent): void => {
    if (key !== 'Escape') return;
    close();
    button.current?.focus();
  };
  return (
    <div ref={place} onKeyDown={escape}>
      <Indicator label={running.length} size={18} disabled={running.length === 0} processing inline color="indigo">
        <ActionIcon ref={button} variant="default" size="lg" aria-expanded={opened} aria-label={`${text.jobs.title}: ${text.jobs.running(running.length)}`} onClick={toggle}>
          {running.length ? <IconDownload size={18} aria-hidden /> : <IconActivity size={18} aria-hidden />}
        </ActionIcon>
      </Indicator>
      {opened && (
        <Paper className="panel" withBorder shadow="md" p="md" component="section" aria-label={text.jobs.title}>
          <Stack gap="sm">
            {running.length === 0 && <Text size="sm">{text.jobs.none}</Text>}
            {running.slice(0, 5).map((job) => (
              <JobProgress key={job.jobId} job={job} title={job.name} />
            ))}
            <Link to="/jobs">{text.jobs.all}</Link>
          </Stack>
        </Paper>
      )}
    </div>
  );
}

const SCHEMES = ['light', 'dark', 'auto'] as const;
const SCHEME_ICONS = { light: IconSun, dark: IconMoon, auto: IconDeviceLaptop };

/** Light, dark, as the system: one after the other. */
function ThemeButton(): ReactNode {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const Icon = SCHEME_ICONS[colorScheme];
  const words = `${text.theme.label}: ${text.theme[colorScheme]}`;
  const next = SCHEMES[(SCHEMES.indexOf(colorScheme) + 1) % SCHEMES.length] ?? 'auto';
  return (
    <ActionIcon variant="default" size="lg" aria-label={words} {...tip(words)} onClick={() => setColorScheme(next)}>
      <Icon size={18} aria-hidden />
    </ActionIcon>
  );
}
